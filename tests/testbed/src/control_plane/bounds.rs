//! The bounds that the protocol sets to each request. Each check gives every fault that it finds.

use prost_types::Any;

use crate::proto::api::baton_service_finish_task_request::FinalState;
use crate::proto::api::baton_service_upload_asset_request::{UploadData, UploadEof, UploadMetadata};
use crate::proto::api::{
    BatonServiceFinishTaskRequest, BatonServiceGetTaskRequest, BatonServiceGetTasksRequest,
    BatonServiceHeartbeatRequest, BatonServiceHelloRequest,
};

const MAX_CHARS: usize = 256;
const MAX_ANNOTATIONS: usize = 16;
const MAX_TASKS: usize = 100;
const MAX_CHUNK: usize = 1 << 20;
const DIGEST: usize = 32;
const TASK_ID: usize = 27;

pub(super) fn hello(request: &BatonServiceHelloRequest) -> Vec<String> {
    let mut faults = Faults::default();
    faults.host_id(&request.host_id);
    if !request.task_id.is_empty() {
        faults.task_id("task_id", &request.task_id);
    }
    faults.annotations("annotations", &request.annotations);
    if request.connector_metadata.is_none() {
        faults.add("connector_metadata is missing");
    }
    if let Some(build) = &request.build_info {
        let fields = [
            ("lang_version", &build.lang_version),
            ("package", &build.package),
            ("package_version", &build.package_version),
        ];
        for (name, value) in fields {
            faults.short(&format!("build_info.{name}"), value);
        }
    } else {
        faults.add("build_info is missing");
    }
    if let Some(os) = &request.os_info {
        let fields = [
            ("hostname", &os.hostname),
            ("os", &os.os),
            ("platform", &os.platform),
            ("platform_version", &os.platform_version),
            ("platform_family", &os.platform_family),
            ("kernel_version", &os.kernel_version),
            ("kernel_arch", &os.kernel_arch),
            ("virtualization_system", &os.virtualization_system),
        ];
        for (name, value) in fields {
            faults.filled(&format!("os_info.{name}"), value);
        }
    } else {
        faults.add("os_info is missing");
    }
    faults.0
}

pub(super) fn get_task(request: &BatonServiceGetTaskRequest) -> Vec<String> {
    let mut faults = Faults::default();
    faults.host_id(&request.host_id);
    faults.0
}

pub(super) fn get_tasks(request: &BatonServiceGetTasksRequest) -> Vec<String> {
    let mut faults = Faults::default();
    faults.host_id(&request.host_id);
    if !(1..=100).contains(&request.page_size) {
        faults.add(format!("page_size is {}, not within 1 to 100", request.page_size));
    }
    for id in &request.known_task_ids {
        faults.task_id("known_task_ids", id);
    }
    faults.annotations("annotations", &request.annotations);
    faults.0
}

pub(super) fn heartbeat(request: &BatonServiceHeartbeatRequest) -> Vec<String> {
    let mut faults = Faults::default();
    faults.host_id(&request.host_id);
    // The batch form names its tasks in task_ids alone.
    if request.task_ids.is_empty() || !request.task_id.is_empty() {
        faults.task_id("task_id", &request.task_id);
    }
    if request.task_ids.len() > MAX_TASKS {
        faults.add(format!("task_ids has {} items, more than {MAX_TASKS}", request.task_ids.len()));
    }
    for id in &request.task_ids {
        faults.task_id("task_ids", id);
    }
    faults.annotations("annotations", &request.annotations);
    faults.0
}

pub(super) fn finish(request: &BatonServiceFinishTaskRequest) -> Vec<String> {
    let mut faults = Faults::default();
    faults.host_id(&request.host_id);
    faults.task_id("task_id", &request.task_id);
    match (&request.final_state, &request.status) {
        (None, _) => faults.add("final_state is not set"),
        (Some(FinalState::Success(success)), status) => {
            faults.annotations("success.annotations", &success.annotations);
            if status.is_some() {
                faults.add("status is set on a success");
            }
        }
        (Some(FinalState::Error(error)), status) => {
            faults.annotations("error.annotations", &error.annotations);
            match status {
                None => faults.add("status is not set on an error"),
                Some(status) if status.code == 0 => {
                    faults.add("status of an error has code 0, which means success");
                }
                Some(status) if !(1..=16).contains(&status.code) => {
                    faults.add(format!("status code {} is no gRPC code", status.code));
                }
                Some(_) => {}
            }
        }
    }
    faults.0
}

pub(super) fn upload_metadata(metadata: &UploadMetadata) -> Vec<String> {
    let mut faults = Faults::default();
    faults.host_id(&metadata.host_id);
    faults.task_id("metadata.task_id", &metadata.task_id);
    faults.annotations("metadata.annotations", &metadata.annotations);
    faults.0
}

pub(super) fn upload_data(data: &UploadData) -> Vec<String> {
    let mut faults = Faults::default();
    if !(1..=MAX_CHUNK).contains(&data.data.len()) {
        faults.add(format!("data has {} bytes, not 1 to {MAX_CHUNK}", data.data.len()));
    }
    faults.0
}

pub(super) fn upload_eof(eof: &UploadEof) -> Vec<String> {
    let mut faults = Faults::default();
    if eof.sha256_checksum.len() != DIGEST {
        faults.add(format!("eof.sha256_checksum has {} bytes, not {DIGEST}", eof.sha256_checksum.len()));
    }
    faults.annotations("eof.annotations", &eof.annotations);
    faults.0
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    fn host_id(&mut self, value: &str) {
        self.filled("host_id", value);
    }

    fn filled(&mut self, field: &str, value: &str) {
        if value.is_empty() {
            self.add(format!("{field} is empty"));
        }
        self.short(field, value);
    }

    fn short(&mut self, field: &str, value: &str) {
        let chars = value.chars().count();
        if chars > MAX_CHARS {
            self.add(format!("{field} has {chars} characters, more than {MAX_CHARS}"));
        }
    }

    fn task_id(&mut self, field: &str, value: &str) {
        if value.len() != TASK_ID || !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.add(format!("{field} {value:?} is not {TASK_ID} alphanumeric characters"));
        }
    }

    fn annotations(&mut self, field: &str, annotations: &[Any]) {
        if annotations.len() > MAX_ANNOTATIONS {
            self.add(format!("{field} has {} items, more than {MAX_ANNOTATIONS}", annotations.len()));
        }
        for annotation in annotations.iter().filter(|annotation| !annotation.type_url.contains('/')) {
            self.add(format!(
                "{field} holds an item with type_url {:?}, which names no type",
                annotation.type_url
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::api::baton_service_finish_task_request::{Error, Success};
    use crate::proto::rpc::Status;

    const ID: &str = "2abcdefghijklmnopqrstuvwxyz";

    fn finished(status: Option<Status>, final_state: Option<FinalState>) -> Vec<String> {
        finish(&BatonServiceFinishTaskRequest {
            host_id: "host".to_owned(),
            task_id: ID.to_owned(),
            status,
            final_state,
        })
    }

    #[test]
    fn status_stands_with_an_error_and_never_with_a_success() {
        let status = || Some(Status { code: 5, message: "gone".to_owned(), details: vec![] });
        let success = || Some(FinalState::Success(Success::default()));
        let error = || Some(FinalState::Error(Error::default()));
        assert_eq!(finished(None, success()), [""; 0]);
        assert_eq!(finished(status(), error()), [""; 0]);
        assert_eq!(finished(status(), success()), ["status is set on a success"]);
        assert_eq!(finished(None, error()), ["status is not set on an error"]);
        assert_eq!(finished(None, None), ["final_state is not set"]);
    }

    #[test]
    fn a_seventeenth_annotation_is_one_too_many() {
        let any = Any { type_url: "type.googleapis.com/x.Y".to_owned(), value: vec![] };
        let success =
            |count| FinalState::Success(Success { annotations: vec![any.clone(); count], response: None });
        assert_eq!(finished(None, Some(success(16))), [""; 0]);
        assert_eq!(finished(None, Some(success(17))), ["success.annotations has 17 items, more than 16"]);
    }

    #[test]
    fn a_host_id_is_1_to_256_characters() {
        let poll = |host_id: String| get_task(&BatonServiceGetTaskRequest { host_id });
        assert_eq!(poll("ü".repeat(256)), [""; 0]);
        assert_eq!(poll(String::new()), ["host_id is empty"]);
        assert_eq!(poll("x".repeat(257)), ["host_id has 257 characters, more than 256"]);
    }

    #[test]
    fn an_empty_hello_is_told_everything_that_it_lacks() {
        let faults = hello(&BatonServiceHelloRequest::default());
        let wanted = [
            "host_id is empty",
            "connector_metadata is missing",
            "build_info is missing",
            "os_info is missing",
        ];
        assert_eq!(faults, wanted);
    }

    #[test]
    fn a_page_is_1_to_100_tasks() {
        for (page_size, right) in [(0, false), (1, true), (100, true), (101, false)] {
            let host_id = "host".to_owned();
            let faults = get_tasks(&BatonServiceGetTasksRequest { host_id, page_size, ..Default::default() });
            assert_eq!(faults.is_empty(), right, "{page_size}: {faults:?}");
        }
    }

    #[test]
    fn a_heartbeat_names_its_tasks_in_either_form() {
        let beat = |task_id: &str, task_ids: &[&str]| {
            heartbeat(&BatonServiceHeartbeatRequest {
                host_id: "host".to_owned(),
                task_id: task_id.to_owned(),
                task_ids: task_ids.iter().map(ToString::to_string).collect(),
                annotations: vec![],
            })
        };
        assert_eq!(beat(ID, &[]), [""; 0]);
        assert_eq!(beat("", &[ID]), [""; 0]);
        assert_eq!(beat("", &[]).len(), 1);
        assert_eq!(beat(ID, &["short"]).len(), 1);
    }
}
