##### Dockerfile
# elt deploy docker, written by elt; edited by hand when this no longer holds: sha256 89c23bcf013b1f66

#   docker build -t data:$(git rev-parse --short HEAD) .
ARG ELT_IMAGE=elt:1.2.0
FROM ${ELT_IMAGE} AS elt

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates tzdata openjdk-17-jre-headless \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 65532 elt && useradd --uid 65532 --gid 65532 --home-dir /project --no-create-home --shell /usr/sbin/nologin elt \
 && mkdir -p /project /var/lib/elt && chown 65532:65532 /project /var/lib/elt \
 && ln -s elt /usr/local/bin/meltano
COPY --from=elt /sbin/tini /sbin/tini
COPY --from=elt /usr/local/bin/elt /usr/local/bin/elt
WORKDIR /project
COPY --chown=65532:65532 . /project
# What is written goes to /var/lib/elt: mount a volume there unless state is in
# PostgreSQL. The rest of the image may be read-only.
ENV ELT_SYS_DIR_ROOT=/var/lib/elt HOME=/var/lib/elt ELT_LOG_FORMAT=json
USER 65532:65532
# tini is PID 1: it reaps what plugins leave behind and hands signals on. What
# follows it reads as with Meltano's image: run …, invoke …, schedule run ….
ENTRYPOINT ["/sbin/tini", "--", "elt"]
CMD ["invoke", "airflow", "scheduler"]
##### .dockerignore
# elt deploy docker, written by elt; edited by hand when this no longer holds: sha256 7f25852457941a56
# Secrets never enter an image.
.env
.env.*
!.env.example
secrets/
*.pem
*.key
# What runs leave behind.
.elt/
.meltano/
*.db
*.db-wal
*.db-shm
output/
logs/
# What the image has no use for.
.git/
.github/
.gitlab-ci.yml
.venv/
**/__pycache__/
Dockerfile
compose.yaml
kubernetes/
##### compose.yaml
# elt deploy docker, written by elt; edited by hand when this no longer holds: sha256 3da354966c460c67
# The project and a PostgreSQL that keeps its state.
#   docker compose up --build -d
# Variables come from .env beside this file; POSTGRES_PASSWORD is needed too.
name: data
services:
  postgres:
    image: postgres:17-bookworm
    environment:
      POSTGRES_USER: elt
      POSTGRES_DB: elt
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set it in .env}
    volumes:
    - postgres:/var/lib/postgresql/data
    healthcheck:
      test: [CMD-SHELL, pg_isready -U elt -d elt]
      interval: 2s
      timeout: 5s
      retries: 30
    restart: unless-stopped
  elt:
    build: .
    image: data:dev
    user: "65532:65532"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    tmpfs: [/tmp]
    volumes:
    - elt:/var/lib/elt
    restart: unless-stopped
    stop_grace_period: 60s
    depends_on:
      postgres:
        condition: service_healthy
    environment:
      MELTANO_ENVIRONMENT: "prod"
      MELTANO_DATABASE_URI: postgresql://elt:${POSTGRES_PASSWORD}@postgres:5432/elt
      TAP_X_TOKEN: ${TAP_X_TOKEN:?set it in .env}
      TAP_X_URL: ${TAP_X_URL:?set it in .env}
      TARGET_Y_PASSWORD: ${TARGET_Y_PASSWORD:?set it in .env}
      TZ:
volumes:
  postgres:
  elt:
