# The image: one static program, certificates, an account, and nothing else.
#
#   docker build --tag webwork-sidecar .
#   docker build --tag webwork-sidecar:debug --target debug .      with a shell, to look around
#
# Nothing is pulled but the two base images, whose names are arguments. ROOT=prebuilt takes a file system that
# was made before by config/package/root, instead of compiling: the same last stage, in seconds.

ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG DEBIAN_IMAGE=docker.io/library/debian:bookworm-slim
ARG ROOT=built

FROM ${RUST_IMAGE} AS compiled
WORKDIR /build
ENV CARGO_INCREMENTAL=0
# The dependencies, in a layer that lasts until one of them changes: with an empty program around them.
COPY Cargo.toml Cargo.lock ./
COPY config/package/build config/package/no-unwinding.ld config/package/
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' >src/main.rs && config/package/build static
COPY config config
COPY src src
# The program must look newer than the empty one, whatever times its files bring.
RUN touch src/lib.rs src/main.rs && config/package/build static

FROM compiled AS built
RUN config/package/root /root target/package/static/webwork-sidecar

FROM scratch AS prebuilt
# The second name is there for builders that make every stage, whether it is wanted or not.
COPY root* Cargo.toml* /root/

# hadolint ignore=DL3006
FROM ${ROOT} AS root

# hadolint ignore=DL3006
FROM ${DEBIAN_IMAGE} AS debug
COPY --from=root /root/system/etc/ssl /etc/ssl
COPY --from=root /root/system/webwork-sidecar /
COPY --from=root --chown=65532:65532 /root/state /var/lib/
USER 65532:65532
VOLUME /var/lib/webwork-sidecar
EXPOSE 9180 9181
HEALTHCHECK --interval=5s --timeout=3s --start-period=75s --retries=3 CMD ["/webwork-sidecar", "healthcheck"]
ENTRYPOINT ["/webwork-sidecar"]
CMD ["run"]

FROM scratch AS final
COPY --from=root /root/system /
COPY --from=root --chown=65532:65532 /root/state /var/lib/
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="webwork-sidecar" \
    org.opencontainers.image.description="Puts a valid bearer token on every request to the WebWork Tracker API" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
# An empty volume that is mounted here takes over the owner and the mode.
VOLUME /var/lib/webwork-sidecar
EXPOSE 9180 9181
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=75s --retries=3 CMD ["/webwork-sidecar", "healthcheck"]
ENTRYPOINT ["/webwork-sidecar"]
CMD ["run"]
