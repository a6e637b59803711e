# A static binary, nothing else but certificates, time zones and an init.
#   docker build -t elt . && docker run --rm -v "$PWD:/project" elt run tap-csv target-sqlite
# A project's own image builds on it: elt deploy docker (docs/deploy.md). The
# link lets images and manifests that start "meltano" start elt.
FROM golang:1.26-alpine AS build
RUN apk add --no-cache gcc musl-dev tini-static ca-certificates tzdata
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

FROM scratch
COPY --from=build /rootfs/ /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /sbin/tini-static /sbin/tini
COPY --from=build /elt /usr/local/bin/elt
ENV PATH=/usr/local/bin:/sbin HOME=/project TMPDIR=/tmp
USER 65532:65532
WORKDIR /project
# tini is PID 1: it reaps what plugins leave behind and hands signals on.
ENTRYPOINT ["/sbin/tini", "--", "elt"]
CMD ["--help"]
