# One image for every process of Drover; docker-compose.yml says which is which.
FROM debian:12.12-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends \
        gcc libc6-dev libvirt-dev pkg-config python3-dev python3-venv
COPY requirements.txt /build/
RUN python3 -m venv /opt/drover && /opt/drover/bin/pip install --no-cache-dir -r /build/requirements.txt

FROM debian:12.12-slim
RUN apt-get update && apt-get install --yes --no-install-recommends \
        ca-certificates libvirt0 openssh-client python3 util-linux \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/drover --shell /usr/sbin/nologin drover \
    && install -d -o drover -g drover -m 700 /var/lib/drover
COPY --from=build /opt/drover /opt/drover
COPY . /srv/drover
WORKDIR /srv/drover
ENV PATH=/opt/drover/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DROVER_HOME=/var/lib/drover
RUN DROVER_HOME=/tmp/build python manage.py collectstatic --noinput --verbosity 0 && rm -rf /tmp/build
USER drover
VOLUME /var/lib/drover
EXPOSE 8000
ENTRYPOINT ["/srv/drover/docker/start"]
CMD ["web"]
