//! Turns what the operator set into [`Settings`], or into the list of all that is wrong with it.

mod aws;
mod collector;
mod partition;
mod process;
mod work;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::fault::{Note, SettingsError};
use super::field::control_plane as fields;
use super::read::Reader;
use super::source::{Environment, Flags, RawSettings};
use super::{Settings, constraint, support};

/// What the machine tells about itself.
#[derive(Clone, Debug)]
pub struct Host {
    /// The host's name.
    pub name: String,
    /// Whether standard output is a terminal.
    pub is_terminal: bool,
}

impl Host {
    /// Asks the machine.
    pub fn of_process() -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { name, is_terminal: std::io::stdout().is_terminal() }
    }
}

impl Settings {
    /// Reads the settings of this process: `flags`, its environment and its settings file. The notes belong into
    /// the log, once there is one.
    pub fn load(flags: Flags) -> Result<(Self, Vec<Note>), SettingsError> {
        let raw = RawSettings::gather(flags, &Environment::of_process()?, Path::new("."))?;
        Self::resolve(raw, &Host::of_process())
    }

    /// Checks what the operator set. The error names every fault.
    pub fn resolve(raw: RawSettings, host: &Host) -> Result<(Self, Vec<Note>), SettingsError> {
        let mut reader = Reader::new(raw);
        let serves = reader.is_set(&fields::CLIENT_ID);
        constraint::check(&mut reader);
        support::check(&mut reader, serves);
        let host_id = process::host_id(&mut reader, host);
        let operation = work::operation(&mut reader, serves);
        let settings = Self {
            aws: aws::resolve(&mut reader, &host_id),
            sync: work::sync(&mut reader, serves),
            control_plane: process::control_plane(&mut reader),
            daemon: process::daemon(&mut reader),
            log: process::log(&mut reader, host),
            host_id,
            file: work::file(&reader),
            provisioning: reader.switch(&fields::PROVISIONING),
            dry_run: work::dry_run(&mut reader, serves, &operation),
            operation,
        };
        if reader.faults.is_empty() {
            Ok((settings, reader.notes))
        } else {
            Err(SettingsError::new(reader.faults))
        }
    }
}

/// Where a running daemon answers probes, whether or not it was asked to.
pub fn probe_address(flags: Flags) -> Result<SocketAddr, SettingsError> {
    let raw = RawSettings::gather(flags, &Environment::of_process()?, Path::new("."))?;
    let mut reader = Reader::new(raw);
    let address = process::probe_address(&mut reader);
    if reader.faults.is_empty() { Ok(address) } else { Err(SettingsError::new(reader.faults)) }
}

/// Where a running daemon has its work directory; `None` means where the system has temporary files.
pub fn work_parent(flags: Flags) -> Result<Option<PathBuf>, SettingsError> {
    let raw = RawSettings::gather(flags, &Environment::of_process()?, Path::new("."))?;
    let mut reader = Reader::new(raw);
    let parent = work::work_dir(&mut reader);
    if reader.faults.is_empty() { Ok(parent) } else { Err(SettingsError::new(reader.faults)) }
}

#[cfg(test)]
mod tests;
