# Stands in for Valkey's official image where no registry can be reached: the same server, of Debian's own.
ARG BASE
FROM ${BASE}
RUN apt-get update && \
    apt-get install -y --no-install-recommends valkey-server valkey-tools && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
USER 999:999
CMD ["/usr/bin/valkey-server"]
