# What a developer runs. `just` alone lists it; CI itself is `.ci/run`.

_default:
    @just --list

# The whole loop on the embedded testbed: hello, sync, upload, grant, revoke
quickstart:
    cargo run --example quickstart

# All tests
test:
    cargo test --workspace

# Formatting and lints, as in CI
lint:
    .ci/run lint

# Put the sources into the shape that `lint` wants
fmt:
    cargo fmt --all

# What every change passes; `just ci test lint` for some stages alone
ci *stages:
    .ci/run {{ stages }}

# What does not fit into an hour: the image, long fuzzing, side by side with the incumbent
full *stages:
    .ci/full {{ stages }}

# Fuzz targets, for so many seconds each; `just fuzz 60 ids` for one alone
fuzz seconds="20" *targets:
    fuzz/run {{ seconds }} {{ targets }}

# One check by a third party: baton-cli, moto, grpcio, proto, manifests or apiserver
interop check:
    tests/interop/run {{ check }}

# The bill of materials, CycloneDX, of what Cargo.lock pins
sbom file="target/batond.cdx.json":
    .ci/sbom {{ file }}
