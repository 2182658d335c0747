python3 -c "open('input.bin', 'wb').write(bytes([16, 17]) + bytes(300))"
/opt/target/table input.bin
[ $? = 77 ] && echo done
