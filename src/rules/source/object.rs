//! Rules in object storage: S3, Google Cloud Storage, Azure Blob. Credentials and endpoints come from the usual environment.

use super::{
    FetchError, Fetched, Fingerprint, MAX_BYTES, RuleSource, SourceKind, pause, rules_apart,
};
use crate::config::ObjectStore as Provider;
use async_trait::async_trait;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, ObjectStore, RetryConfig};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Object {
    id: Arc<str>,
    /// `Err` where the environment lacks what the provider needs; said when it is fetched.
    store: Result<Arc<dyn ObjectStore>, String>,
    path: Path,
    refresh: Duration,
}

impl Object {
    pub(super) fn new(
        id: Arc<str>,
        provider: Provider,
        bucket: &str,
        key: &str,
        refresh: Duration,
    ) -> Object {
        crate::clients::http::install_crypto();
        Object {
            id,
            store: store(provider, bucket).map_err(|error| error.to_string()),
            path: Path::from(key),
            refresh,
        }
    }
}

fn options() -> ClientOptions {
    // Plain HTTP only where an endpoint in the environment says so.
    ClientOptions::new()
        .with_allow_http(true)
        .with_connect_timeout(Duration::from_secs(5))
        .with_timeout(Duration::from_secs(30))
}

/// Few tries: what fails is asked again anyway.
fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: 2,
        retry_timeout: Duration::from_secs(30),
        ..RetryConfig::default()
    }
}

fn store(provider: Provider, bucket: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    Ok(match provider {
        Provider::S3 => Arc::new(
            AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .with_client_options(options())
                .with_retry(retries())
                .build()?,
        ),
        Provider::GoogleCloud => Arc::new(google(bucket)?),
        Provider::Azure => Arc::new(
            MicrosoftAzureBuilder::from_env()
                .with_container_name(bucket)
                .with_client_options(options())
                .with_retry(retries())
                .build()?,
        ),
    })
}

/// `STORAGE_EMULATOR_HOST` is what Google's own libraries read; an emulator asks for no credentials.
fn google(bucket: &str) -> object_store::Result<object_store::gcp::GoogleCloudStorage> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(options())
        .with_retry(retries());
    if let Ok(host) = std::env::var("STORAGE_EMULATOR_HOST") {
        let url = if host.contains("://") {
            host
        } else {
            format!("http://{host}")
        };
        let account = serde_json::json!({
            "gcs_base_url": url,
            "disable_oauth": true,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        });
        builder = builder.with_service_account_key(account.to_string());
    }
    builder.build()
}

#[async_trait]
impl RuleSource for Object {
    fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Remote
    }

    async fn fetch(&self, last: Option<&Fingerprint>) -> Result<Fetched, FetchError> {
        let unreadable = |error: object_store::Error| FetchError::Unreadable(error.to_string());
        let store = self.store.clone().map_err(FetchError::Unreadable)?;
        let options = GetOptions {
            if_none_match: last.map(|last| last.0.clone()),
            ..GetOptions::default()
        };
        let answer = match store.get_opts(&self.path, options).await {
            Ok(answer) => answer,
            Err(object_store::Error::NotModified { .. }) => return Ok(Fetched::Unchanged),
            Err(error) => return Err(unreadable(error)),
        };
        if answer.meta.size > MAX_BYTES as u64 {
            return Err(FetchError::TooLarge(MAX_BYTES));
        }
        let fingerprint = answer.meta.e_tag.clone().map(Fingerprint);
        if fingerprint.is_some() && fingerprint.as_ref() == last {
            return Ok(Fetched::Unchanged);
        }
        let text = answer.bytes().await.map_err(unreadable)?;
        Ok(Fetched::Rules {
            rules: rules_apart(text).await?,
            fingerprint,
        })
    }

    async fn changed(&self, failures: u32) {
        tokio::time::sleep(pause(self.refresh, failures)).await;
    }
}
