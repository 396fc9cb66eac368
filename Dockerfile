# syntax=docker/dockerfile:1
# Two stages: a builder with a Rust toolchain, and an image that holds one static binary and a CA bundle.
ARG BUILDER=docker.io/library/rust:1.95-bookworm

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
# The binary is static (no shell, no libc in the image); name resolution is glibc's and works without its plug-ins.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --target "$(uname -m)-unknown-linux-gnu" --bin batond \
    && install -D "target/$(uname -m)-unknown-linux-gnu/release/batond" /out/batond \
    && install -d -m 1777 /out/root/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/batond /usr/local/bin/batond
COPY --from=build /out/root/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# glibc keeps freed memory for each thread; with one heap, trimmed early, what a sync took goes back to the node.
ENV MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/batond"]
