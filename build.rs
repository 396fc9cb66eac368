//! Generates the Baton messages and the client of the Baton service from `proto/`, without a system `protoc`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const PROTO: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let mut files = Vec::new();
    collect(Path::new(PROTO), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([PROTO])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;

    let mut config = tonic_prost_build::Config::new();
    // Ordered maps make the encoding of equal messages equal.
    config.btree_map(["."]).enable_type_names().type_name_domain(["."], "type.googleapis.com");
    tonic_prost_build::configure()
        .build_server(false)
        .include_file("pb.rs")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;

    // The printed JSON follows the descriptors, which need no comments at run time.
    let descriptors = compiler.include_source_info(false).encode_file_descriptor_set();
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("descriptors.binpb"), descriptors)?;
    Ok(())
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
