# A small image: the binary, certificates of authorities, no shell, not root. Build: docker build -t doorward .
# Run read-only: docker run --read-only --cap-drop ALL -v ./conf:/etc/doorward:ro -p 4455:4455 -p 4456:4456 doorward
# The image to run in. Give a distroless one that has glibc, such as cc-debian12:nonroot of the registry that you trust:
#   docker build --build-arg RUNTIME=REGISTRY/distroless/cc-debian12:nonroot -t doorward .
ARG RUNTIME=debian:12-slim

FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --locked --release && cp target/release/doorward /doorward

FROM ${RUNTIME}
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /doorward /usr/bin/doorward
USER 65532:65532
EXPOSE 4455 4456 9000
ENTRYPOINT ["/usr/bin/doorward"]
CMD ["serve", "--config", "/etc/doorward/doorward.yaml"]
