# Stands in for python:3.13-slim where no registry can be reached: Debian as debootstrap lays it down.
FROM scratch
COPY . /
CMD ["/usr/bin/python3"]
