//! Values for tests.

use exportpool_contract::{JobId, TaskId, TaskSpec};

use crate::message::{Attributes, Carrier, LeaseId, Receipt, Received, Task, TaskNo};

pub(crate) fn task(job: &str, n: u64, lease: u64) -> Task {
    let spec = TaskSpec {
        task_id: TaskId::new(format!("t{n}")).unwrap(),
        url: format!("http://files.test/{n}"),
        key: None,
        headers: [].into(),
        overwrite: false,
    };
    Task {
        no: TaskNo(lease * 1_000 + n),
        lease: LeaseId(lease),
        carrier: Carrier::Job,
        job: JobId::new(job).unwrap(),
        spec,
        destination: None,
        group: job.to_owned(),
        traceparent: None,
        enqueued_at: None,
        reopens: None,
        only: false,
        page: None,
    }
}

pub(crate) fn received(n: u64) -> Received {
    Received {
        receipt: Receipt(format!("r{n}").into()),
        body: String::new(),
        receive_count: 1,
        sent_at: Some(n),
        received_at: None,
        group: None,
        attributes: Attributes::new(),
    }
}
