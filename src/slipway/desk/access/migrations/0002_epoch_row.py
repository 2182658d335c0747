"""The one row of access_control: the gateway refuses to serve without it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "INSERT INTO access_control (id, epoch) VALUES (1, 0)", "DELETE FROM access_control WHERE id = 1"
        )
    ]
