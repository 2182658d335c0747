from tests.desk.reviews.conftest import case as case
