# Two images, both as user 65532 with an init:
#   docker build -t elt .                            a static binary, nothing else but certificates and time zones
#   docker build -t elt:python --target python .     with Python and uv, for plugins that are not built in
#   docker run --rm -v "$PWD:/project" elt run tap-csv target-sqlite
# A project's own image builds on them: elt deploy docker (docs/deploy.md). The
# link lets images and manifests that start "meltano" start elt.
FROM golang:1.26-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates tini tzdata && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=1 go build -trimpath -tags netgo,osusergo,sqlite_omit_load_extension,minicore_disabled \
      -ldflags "-s -w -X elt/cmd.version=${VERSION} -linkmode external -extldflags '-static -Wl,-Ttext-segment=0x410000'" -o /elt . \
 && mkdir -p /rootfs/project /rootfs/tmp /rootfs/etc /rootfs/var/lib/elt /rootfs/usr/local/bin && chmod 1777 /rootfs/tmp \
 && chown 65532:65532 /rootfs/project /rootfs/var/lib/elt && ln -s elt /rootfs/usr/local/bin/meltano \
 && printf 'elt:x:65532:65532::/project:/sbin/nologin\n' >/rootfs/etc/passwd \
 && printf 'elt:x:65532:\n' >/rootfs/etc/group

# A plugin's own environment: uv venv .meltano/extractors/NAME/venv, then uv pip install.
FROM python:3.12-slim-bookworm AS python
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git tzdata && rm -rf /var/lib/apt/lists/* \
 && pip install --no-cache-dir uv==0.5.11 \
 && groupadd --gid 65532 elt && useradd --uid 65532 --gid 65532 --home-dir /project --no-create-home --shell /usr/sbin/nologin elt \
 && mkdir -p /project /var/lib/elt && chown 65532:65532 /project /var/lib/elt && ln -s elt /usr/local/bin/meltano
COPY --from=build /usr/bin/tini-static /sbin/tini
COPY --from=build /elt /usr/local/bin/elt
ENV HOME=/project TMPDIR=/tmp
USER 65532:65532
WORKDIR /project
ENTRYPOINT ["/sbin/tini", "--", "elt"]
CMD ["--help"]

FROM scratch AS static
COPY --from=build /rootfs/ /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /usr/bin/tini-static /sbin/tini
COPY --from=build /elt /usr/local/bin/elt
ENV PATH=/usr/local/bin:/sbin HOME=/project TMPDIR=/tmp
USER 65532:65532
WORKDIR /project
# tini is PID 1: it reaps what plugins leave behind and hands signals on.
ENTRYPOINT ["/sbin/tini", "--", "elt"]
CMD ["--help"]
