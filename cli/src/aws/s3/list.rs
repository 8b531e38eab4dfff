//! Open uploads, page by page: the crate begins each page at the beginning.

use rustack_s3_model::{
    error::S3Error, input::ListMultipartUploadsInput, output::ListMultipartUploadsOutput,
    types::MultipartUpload,
};

use super::Inner;

/// Of a page, as S3 has it.
const MOST: i32 = 1_000;

impl Inner {
    pub(super) async fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> Result<ListMultipartUploadsOutput, S3Error> {
        let (key, upload) = (input.key_marker.clone(), input.upload_id_marker.clone());
        let most = input.max_uploads.unwrap_or(MOST).clamp(1, MOST);
        let all = ListMultipartUploadsInput { max_uploads: Some(i32::MAX), ..input };
        let mut page = self.provider.handle_list_multipart_uploads(all).await?;
        page.uploads.sort_by(|a, b| order(a).cmp(&order(b)));
        let seen = key.map_or(0, |key| behind(&page.uploads, &key, upload.as_deref()));
        page.uploads.drain(..seen);
        let size = usize::try_from(most).unwrap_or_default();
        let truncated = page.uploads.len() > size;
        page.uploads.truncate(size);
        let last = page.uploads.last().filter(|_| truncated);
        page.next_key_marker = last.and_then(|last| last.key.clone());
        page.next_upload_id_marker = last.and_then(|last| last.upload_id.clone());
        (page.is_truncated, page.max_uploads) = (Some(truncated), Some(most));
        Ok(page)
    }
}

fn order(upload: &MultipartUpload) -> impl Ord {
    (upload.key.clone(), upload.initiated, upload.upload_id.clone())
}

/// How many come before what follows the markers.
fn behind(uploads: &[MultipartUpload], key: &str, upload: Option<&str>) -> usize {
    let of = |one: &MultipartUpload| one.key.as_deref() == Some(key);
    let marked = upload.and_then(|id| {
        uploads.iter().position(|one| of(one) && one.upload_id.as_deref() == Some(id)).map(|at| at + 1)
    });
    marked.unwrap_or_else(|| uploads.partition_point(|one| one.key.as_deref() <= Some(key)))
}
