//! S3: the crate's buckets behind a layer that adds what AWS has and they lack.
//!
//! | file | adds |
//! |---|---|
//! | `write` | `If-None-Match` and `If-Match` on writes, one write of a key at a time, CRC64NVME by default |
//! | `complete` | checks of a multipart upload before it is completed: entity tags, size, full-object checksum |
//! | `list` | pages of open uploads after the first |
//! | `locks` | one writer a key |
//!
//! The crate brings the operations and the protocol, but not what joins the two: that is the table here.

mod complete;
mod list;
mod locks;
mod write;

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use rustack_s3_core::{RustackS3, S3Config, storage::StagedUpload};
use rustack_s3_http::{FromS3Request, IntoS3Response, RoutingContext, S3Handler, S3ResponseBody};
use rustack_s3_model::{S3Operation, error::S3Error, input::GetObjectInput};
use tokio::sync::RwLock;

use locks::Locks;

type Answer = Result<Response<S3ResponseBody>, S3Error>;

/// Every bucket of a stand-in. Objects are temporary files, removed when the last hold on them goes.
pub(super) struct Objects(Arc<Inner>);

struct Inner {
    provider: RustackS3,
    keys: Locks,
    /// Read by who adds a part, written by who takes an upload's parts away. The crate reads parts' files while it
    /// holds a lock that blocks threads: parts added meanwhile would block every thread of the runtime, and with
    /// them the reader.
    uploads: RwLock<()>,
}

impl Default for Objects {
    fn default() -> Self {
        let (keys, uploads) = (Locks::default(), RwLock::new(()));
        Self(Arc::new(Inner { provider: RustackS3::new(S3Config::default()), keys, uploads }))
    }
}

/// A request, routed.
struct Asked {
    parts: Parts,
    body: Bytes,
    context: RoutingContext,
}

impl Asked {
    /// The operation's input. Its output has the type of what the operation takes.
    fn input<T: FromS3Request>(&self) -> Result<T, S3Error> {
        let (bucket, key) = (self.context.bucket.as_deref(), self.context.key.as_deref());
        T::from_s3_request(&self.parts, bucket, key, &self.context.query_params, self.body.clone())
    }
}

impl S3Handler for Objects {
    fn handle_staged_upload(
        &self,
        parts: Parts,
        upload: Arc<StagedUpload>,
        context: RoutingContext,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let inner = Arc::clone(&self.0);
        let asked = Asked { parts, body: Bytes::new(), context };
        Box::pin(async move {
            match asked.context.operation {
                S3Operation::UploadPart => inner.add_part(asked.input()?, upload).await?.into_s3_response(),
                _ => inner.put(asked.input()?, upload).await?.into_s3_response(),
            }
        })
    }

    fn handle_operation(
        &self,
        operation: S3Operation,
        parts: Parts,
        body: Bytes,
        context: RoutingContext,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.answer(operation, &Asked { parts, body, context }).await })
    }
}

/// Operations of the crate: those that answer with something, and those that answer with a status alone.
macro_rules! table {
    ($self:ident, $operation:ident, $asked:ident,
        answered { $($answered:ident: $answer:ident,)* }
        confirmed { $($confirmed:ident: $confirm:ident = $status:ident,)* }
    ) => {
        match $operation {
            $(S3Operation::$answered => $self.provider.$answer($asked.input()?).await?.into_s3_response(),)*
            $(S3Operation::$confirmed => {
                $self.provider.$confirm($asked.input()?).await?;
                Ok(confirmed(StatusCode::$status))
            })*
            other => Err(S3Error::not_implemented(other.as_str())),
        }
    };
}

impl Inner {
    async fn answer(&self, operation: S3Operation, asked: &Asked) -> Answer {
        match operation {
            S3Operation::GetObject => self.read(asked.input()?).await,
            S3Operation::CopyObject => self.copy(asked.input()?).await?.into_s3_response(),
            S3Operation::DeleteObject => self.delete(asked.input()?).await?.into_s3_response(),
            S3Operation::UploadPartCopy => self.copy_part(asked.input()?).await?.into_s3_response(),
            S3Operation::CompleteMultipartUpload => self.complete(asked.input()?).await?.into_s3_response(),
            S3Operation::AbortMultipartUpload => self.abort(asked.input()?).await?.into_s3_response(),
            S3Operation::ListMultipartUploads => self.list_uploads(asked.input()?).await?.into_s3_response(),
            // The crate holds a bucket's lock while it completes an upload, too.
            S3Operation::CreateBucket | S3Operation::DeleteBucket => {
                let _alone = self.uploads.write().await;
                self.unchanged(operation, asked).await
            }
            other => self.unchanged(other, asked).await,
        }
    }

    /// What the crate does well enough.
    async fn unchanged(&self, operation: S3Operation, asked: &Asked) -> Answer {
        table!(self, operation, asked,
            answered {
                CreateBucket: handle_create_bucket,
                HeadBucket: handle_head_bucket,
                ListBuckets: handle_list_buckets,
                GetBucketLocation: handle_get_bucket_location,
                GetBucketVersioning: handle_get_bucket_versioning,
                GetBucketEncryption: handle_get_bucket_encryption,
                GetBucketTagging: handle_get_bucket_tagging,
                GetBucketLifecycleConfiguration: handle_get_bucket_lifecycle_configuration,
                PutBucketLifecycleConfiguration: handle_put_bucket_lifecycle_configuration,
                GetPublicAccessBlock: handle_get_public_access_block,
                HeadObject: handle_head_object,
                DeleteObjects: handle_delete_objects,
                GetObjectAttributes: handle_get_object_attributes,
                GetObjectTagging: handle_get_object_tagging,
                PutObjectTagging: handle_put_object_tagging,
                ListObjects: handle_list_objects,
                ListObjectsV2: handle_list_objects_v2,
                ListObjectVersions: handle_list_object_versions,
                CreateMultipartUpload: handle_create_multipart_upload,
                ListParts: handle_list_parts,
            }
            confirmed {
                DeleteBucket: handle_delete_bucket = NO_CONTENT,
                PutBucketVersioning: handle_put_bucket_versioning = OK,
                PutBucketEncryption: handle_put_bucket_encryption = OK,
                PutBucketTagging: handle_put_bucket_tagging = NO_CONTENT,
                DeleteBucketLifecycle: handle_delete_bucket_lifecycle = NO_CONTENT,
                PutPublicAccessBlock: handle_put_public_access_block = OK,
            }
        )
    }

    /// Streams the object from its file; the crate's own answer would hold it in memory.
    async fn read(&self, input: GetObjectInput) -> Answer {
        let (output, file) = self.provider.handle_get_object_streaming(input).await?;
        let partial = output.content_range.is_some();
        let mut response = output.into_s3_response()?;
        if let Some(file) = file {
            let body = S3ResponseBody::from_staged(file).await;
            *response.body_mut() = body.map_err(|error| S3Error::internal_error(error.to_string()))?;
        }
        if partial {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(response)
    }
}

fn confirmed(status: StatusCode) -> Response<S3ResponseBody> {
    let mut response = Response::new(S3ResponseBody::empty());
    *response.status_mut() = status;
    response
}
