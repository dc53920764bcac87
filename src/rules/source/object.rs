//! Rules in object storage: S3, Google Cloud Storage, Azure Blob. Credentials and endpoints come from the usual environment.

use super::{
    FetchError, Fetched, Fingerprint, MAX_BYTES, RuleSource, SourceKind, pause, rules_apart,
};
use crate::config::ObjectStore as Provider;
use async_trait::async_trait;
use object_store::aws::AmazonS3Builder;
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
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
        Provider::Azure => Arc::new(azure(bucket)?),
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

/// Besides the names of the library, those that the reference and Azure's own tools read.
fn azure(container: &str) -> object_store::Result<MicrosoftAzure> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_client_options(options())
        .with_retry(retries());
    for (key, value) in azure_settings(|name| std::env::var(name).ok()) {
        builder = builder.with_config(key, value);
    }
    builder.build()
}

fn azure_settings(variable: impl Fn(&str) -> Option<String>) -> Vec<(AzureConfigKey, String)> {
    let of = |name: &str| variable(name).filter(|value| !value.is_empty());
    let connection = of("AZURE_STORAGE_CONNECTION_STRING").unwrap_or_default();
    let part = |wanted: &str| {
        let mut parts = connection
            .split(';')
            .filter_map(|part| part.split_once('='));
        parts
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.to_owned())
    };
    let account = of("AZURE_STORAGE_ACCOUNT").or_else(|| part("AccountName"));
    let protocol = of("AZURE_STORAGE_PROTOCOL").or_else(|| part("DefaultEndpointsProtocol"));
    let protocol = protocol.unwrap_or_else(|| "https".to_owned());
    let endpoint = match (of("AZURE_STORAGE_DOMAIN"), &account) {
        // Emulators have the account in the path.
        (Some(domain), Some(account)) if is_local(&domain) => {
            Some(format!("{protocol}://{domain}/{account}"))
        }
        (Some(domain), Some(account)) => Some(format!("{protocol}://{account}.{domain}")),
        (None, Some(account)) => part("BlobEndpoint").or_else(|| {
            let suffix = part("EndpointSuffix")?;
            Some(format!("{protocol}://{account}.blob.{suffix}"))
        }),
        (_, None) => None,
    };
    let key = of("AZURE_STORAGE_KEY").or_else(|| part("AccountKey"));
    [
        (AzureConfigKey::AccountName, account),
        (AzureConfigKey::AccessKey, key),
        (AzureConfigKey::SasKey, part("SharedAccessSignature")),
        (AzureConfigKey::Endpoint, endpoint),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect()
}

fn is_local(domain: &str) -> bool {
    let host = domain.rsplit_once(':').map_or(domain, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_azure_s_own_tools_say_where_and_as_whom() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], ""),
            (
                &[("AZURE_STORAGE_ACCOUNT", "a"), ("AZURE_STORAGE_KEY", "k")],
                "AccountName=a AccessKey=k",
            ),
            (
                &[
                    ("AZURE_STORAGE_ACCOUNT", "a"),
                    ("AZURE_STORAGE_DOMAIN", "blob.core.chinacloudapi.cn"),
                ],
                "AccountName=a Endpoint=https://a.blob.core.chinacloudapi.cn",
            ),
            (
                &[
                    ("AZURE_STORAGE_ACCOUNT", "a"),
                    ("AZURE_STORAGE_DOMAIN", "127.0.0.1:1"),
                    ("AZURE_STORAGE_PROTOCOL", "http"),
                ],
                "AccountName=a Endpoint=http://127.0.0.1:1/a",
            ),
            (
                &[(
                    "AZURE_STORAGE_CONNECTION_STRING",
                    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5==;EndpointSuffix=core.windows.net",
                )],
                "AccountName=a AccessKey=a2V5== Endpoint=https://a.blob.core.windows.net",
            ),
            (
                &[(
                    "AZURE_STORAGE_CONNECTION_STRING",
                    "BlobEndpoint=http://localhost:1/a;AccountName=a;SharedAccessSignature=sv=1&sig=x",
                )],
                "AccountName=a SasKey=sv=1&sig=x Endpoint=http://localhost:1/a",
            ),
        ];
        for (environment, expected) in cases {
            let variable = |name: &str| {
                let found = environment.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let found: Vec<String> = azure_settings(variable)
                .into_iter()
                .map(|(key, value)| format!("{key:?}={value}"))
                .collect();
            assert_eq!(found.join(" "), *expected, "{environment:?}");
        }
    }
}
