# The three images, each of one static program (musl) and certificate authorities: docker build --target consumer .
# On each platform as it is, nothing is cross-compiled: --platform linux/arm64 on an amd64 builder runs in QEMU, slowly.

FROM rust:1.95.0-alpine AS chef
RUN apk add --no-cache ca-certificates gcc make musl-dev
RUN cargo install cargo-chef --locked --version 0.1.78
# This image's toolchain, whatever rust-toolchain.toml would add for developers; line tables are of no use in an image.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_DEBUG=false
WORKDIR /exportpool

FROM chef AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS on-amd64
FROM chef AS on-arm64
# jemalloc runs on pages that are no larger than those it was built for, and arm64 has up to 64 KiB.
ENV JEMALLOC_SYS_WITH_LG_PAGE=16

FROM on-${TARGETARCH} AS programs
# release; image is built sooner; dev is for trying things out, of any size.
ARG PROFILE=release
ARG PACKAGES="--package exportpool-consumer --package exportpool-operator --package exportctl"
# Dependencies are a layer of their own: it stays until Cargo.lock changes.
COPY --from=recipe /exportpool/recipe.json .
RUN cargo chef cook --locked --bins --profile "$PROFILE" $PACKAGES
COPY . .
RUN cargo build --locked --bins --profile "$PROFILE" $PACKAGES
RUN mkdir -p /image/tmp /image/etc/ssl/certs \
    && chmod 1777 /image/tmp \
    && echo 'nonroot:x:65532:65532::/:/none' >/image/etc/passwd \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && mv "target/$([ "$PROFILE" = dev ] && echo debug || echo "$PROFILE")" target/built \
    && cp target/built/exportpool-consumer target/built/exportpool-operator target/built/exportctl /

FROM scratch AS base
COPY --from=programs /image/ /
# For heap profiles: a pod's own file system cannot be written to.
ENV TMPDIR=/dev/shm
LABEL org.opencontainers.image.source=https://github.com/exportpool/exportpool \
      org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532

FROM base AS consumer
COPY --from=programs /exportpool-consumer /
EXPOSE 3000
ENTRYPOINT ["/exportpool-consumer"]

FROM base AS operator
COPY --from=programs /exportpool-operator /
EXPOSE 8080
ENTRYPOINT ["/exportpool-operator"]

FROM base AS exportctl
COPY --from=programs /exportctl /
EXPOSE 4566
ENTRYPOINT ["/exportctl"]
