# The programs, of which task drops what it should deliver, as a mistake in a new version might.
ARG BASE
FROM ${BASE}
COPY dropping.py /opt/chatcluster/sitecustomize.py
