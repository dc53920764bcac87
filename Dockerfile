# A small image: the binary, certificates of authorities, no shell, not root. Build: docker build -t doorward .
# Run read-only: docker run --read-only --cap-drop ALL -v ./conf:/etc/doorward:ro -p 4455:4455 -p 4456:4456 doorward
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --locked --release && cp target/release/doorward /doorward

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /doorward /usr/bin/doorward
USER nonroot
EXPOSE 4455 4456 9000
ENTRYPOINT ["/usr/bin/doorward"]
CMD ["serve", "--config", "/etc/doorward/doorward.yaml"]
