//! What a hello says about host and build. A registration with an empty string among them fails, so every field
//! has a fallback.

use std::fs;
use std::path::Path;

use crate::baton::api::baton_service_hello_request::{BuildInfo, OsInfo};

/// Longest value that the service takes, in characters.
const LONGEST: usize = 256;

/// The build of this program.
pub(super) fn build_info() -> BuildInfo {
    BuildInfo {
        lang_version: concat!("rust", env!("CARGO_PKG_RUST_VERSION")).to_owned(),
        package: env!("CARGO_PKG_NAME").to_owned(),
        package_version: concat!("v", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// The host of this process.
pub(super) fn read() -> OsInfo {
    read_under(Path::new("/"))
}

/// The host whose `proc`, `etc` and `sys` are found under `root`.
fn read_under(root: &Path) -> OsInfo {
    let line = |path: &str| fs::read_to_string(root.join(path)).map(|text| clean(&text)).unwrap_or_default();
    let release = fs::read_to_string(root.join("etc/os-release"))
        .or_else(|_| fs::read_to_string(root.join("usr/lib/os-release")))
        .unwrap_or_default();
    let field = |key: &str| release_field(&release, key);

    let os = std::env::consts::OS.to_owned();
    let kernel_version = first_of([line("proc/sys/kernel/osrelease"), "unknown".to_owned()]);
    let platform = first_of([field("ID"), os.clone()]);
    // Derivatives name what they derive from; the first is the closest.
    let family = field("ID_LIKE").split_whitespace().next().unwrap_or_default().to_owned();
    OsInfo {
        hostname: first_of([line("proc/sys/kernel/hostname"), "unknown".to_owned()]),
        platform_version: first_of([field("VERSION_ID"), kernel_version.clone()]),
        platform_family: first_of([family, platform.clone()]),
        platform,
        os,
        kernel_version,
        kernel_arch: std::env::consts::ARCH.to_owned(),
        virtualization_system: virtualization(root).to_owned(),
    }
}

/// The innermost layer that can be recognised.
fn virtualization(root: &Path) -> &'static str {
    let contains = |path: &str, needle: &str| {
        fs::read_to_string(root.join(path)).is_ok_and(|text| text.to_lowercase().contains(needle))
    };
    let markers: [(bool, &'static str); 8] = [
        (root.join("var/run/secrets/kubernetes.io").exists(), "kubernetes"),
        (contains("proc/1/cgroup", "kubepods"), "kubernetes"),
        (root.join(".dockerenv").exists(), "docker"),
        (root.join("run/.containerenv").exists(), "podman"),
        (contains("sys/class/dmi/id/sys_vendor", "amazon ec2"), "kvm"),
        (contains("sys/class/dmi/id/sys_vendor", "qemu"), "kvm"),
        (root.join("proc/xen").exists(), "xen"),
        (contains("proc/cpuinfo", "hypervisor"), "vm"),
    ];
    markers.into_iter().find_map(|(found, name)| found.then_some(name)).unwrap_or("none")
}

/// The value of `key` in the text of an `os-release` file, without its quotes; empty if absent.
fn release_field(release: &str, key: &str) -> String {
    release
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .map(|value| clean(value.trim().trim_matches(['"', '\''])))
        .unwrap_or_default()
}

fn clean(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

fn first_of<const N: usize>(candidates: [String; N]) -> String {
    candidates.into_iter().find(|candidate| !candidate.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(info: &OsInfo) -> [&str; 8] {
        [
            &info.hostname,
            &info.os,
            &info.platform,
            &info.platform_version,
            &info.platform_family,
            &info.kernel_version,
            &info.kernel_arch,
            &info.virtualization_system,
        ]
    }

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_host_that_tells_nothing_leaves_no_field_empty() {
        let info = read_under(root(&[("etc/os-release", "ID=\nVERSION_ID=\"\"\n")]).path());
        assert!(values(&info).iter().all(|value| !value.is_empty()), "{info:?}");
        assert_eq!((info.hostname.as_str(), info.platform_version.as_str()), ("unknown", "unknown"));
        assert_eq!(info.virtualization_system, "none");
    }

    #[test]
    fn a_debian_pod_is_described() {
        let root = root(&[
            (
                "etc/os-release",
                "PRETTY_NAME=\"x\"\nID=ubuntu\nID_LIKE=\"debian other\"\nVERSION_ID='24.04'\n",
            ),
            ("proc/sys/kernel/hostname", "batond-0\n"),
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
            ("proc/1/cgroup", "0::/kubepods.slice/x\n"),
        ]);
        let info = read_under(root.path());
        assert_eq!(
            [&info.hostname, &info.platform, &info.platform_version, &info.platform_family],
            ["batond-0", "ubuntu", "24.04", "debian"]
        );
        assert_eq!(
            (info.kernel_version.as_str(), info.virtualization_system.as_str()),
            ("6.1.0", "kubernetes")
        );
    }

    #[test]
    fn values_are_cut_at_what_the_service_takes() {
        let root = root(&[("proc/sys/kernel/hostname", &"ä".repeat(300))]);
        assert_eq!(read_under(root.path()).hostname.chars().count(), LONGEST);
        assert!(
            [build_info().lang_version, build_info().package, build_info().package_version]
                .iter()
                .all(|value| !value.is_empty())
        );
    }

    #[test]
    fn this_host_is_described() {
        assert!(values(&read()).iter().all(|value| !value.is_empty()));
    }
}
