# The programs, of which task drops what it should deliver, as a mistake in a new version might.
ARG BASE
FROM ${BASE}
USER 0:0
COPY dropping.py /opt/chatcluster/dropping.py
# A line in such a file is run at every start of Python.
RUN echo 'import dropping' > "$(ls -d /opt/python/lib/python3*/site-packages)/dropping.pth"
USER 65532:65532
