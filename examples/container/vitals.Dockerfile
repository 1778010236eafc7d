# The other container: the image of `./dev image` and its config.
#   docker build -f vitals.Dockerfile -t registry.fly.io/my-app:vitals . && docker push …
ARG VITALS_IMAGE=vitals:latest
FROM ${VITALS_IMAGE}
COPY vitals.toml /etc/vitals.toml
