//! Connects to Cloud Storage: endpoint and credentials.

use super::config::StoreConfig;
use super::error::{CREDENTIALS_HINT, Error};
use super::gcs_http::GcsHttpConnector;
use crate::net::is_loopback_host;
use crate::{http_client, redact};
use http::{HeaderValue, Uri};
use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::{BackoffConfig, ClientOptions, RetryConfig, StaticCredentialProvider};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for the first token of the metadata server; on other machines it never answers.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// Overrides the storage endpoint; requests to it carry credentials.
const ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE";
/// Overrides the token endpoint for users who logged in with gcloud.
const TOKEN_HOST: &str = "CLOUDSDK_AUTH_TOKEN_HOST";

/// Opens a bucket with application default credentials, or without credentials if `STORAGE_EMULATOR_HOST` names an
/// emulator. Credentials are sent only over https, to loopback hosts and to the metadata server.
pub(super) async fn connect(bucket: &str, settings: &StoreConfig) -> Result<GoogleCloudStorage, Error> {
    http_client::install_crypto_provider();
    let url = format!("gs://{bucket}/");
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    // Requests end after silence, not after a total time, because a large object may take hours.
    let options = ClientOptions::new()
        .with_connect_timeout(settings.timeout.min(Duration::from_secs(10)))
        .with_read_timeout(settings.timeout)
        .with_timeout_disabled()
        .with_pool_max_idle_per_host(1024)
        .with_user_agent(HeaderValue::from_static(http_client::USER_AGENT));
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket).with_retry(retry(settings));
    let (mut anonymous, mut named) = (false, false);
    if let Some(host) = settings.emulator.clone().or_else(|| variable("STORAGE_EMULATOR_HOST")) {
        anonymous = true;
        let nobody = GcpCredential { bearer: String::new() };
        builder = builder
            .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
            .with_base_url(&parse_endpoint("STORAGE_EMULATOR_HOST", &host, "http")?);
    } else if let Some(endpoint) = variable(ENDPOINT) {
        let endpoint = parse_endpoint(ENDPOINT, &endpoint, "https")?;
        require_secure(ENDPOINT, &endpoint)?;
        builder = builder.with_base_url(&endpoint);
    }
    let tokens = variable(TOKEN_HOST).map(|tokens| tokens.trim().to_owned());
    if !anonymous {
        tokens.as_deref().map_or(Ok(()), |tokens| require_secure(TOKEN_HOST, tokens))?;
        named = check_key_file(&url, variable("GOOGLE_APPLICATION_CREDENTIALS"))?;
        if let Some(path) = variable("GOOGLE_APPLICATION_CREDENTIALS") {
            builder = builder.with_application_credentials(path);
        }
    }
    // The metadata server, emulators and local stand-ins speak plain HTTP.
    let builder = builder
        .with_client_options(options.with_allow_http(true))
        .with_http_connector(GcsHttpConnector { tokens, bucket: bucket.to_owned(), lenient: anonymous });
    let store = builder.build().map_err(|error| no_credentials(&url, &error.to_string()))?;
    if !anonymous {
        if named {
            fetch_token(&url, &store, settings).await?;
        } else {
            fetch_metadata_token(&url, &store).await?;
        }
    }
    Ok(store)
}

pub(super) fn retry(settings: &StoreConfig) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: settings.first_pause,
            max_backoff: Duration::from_secs(60),
            base: 2.0,
        },
        max_retries: settings.retries,
        retry_timeout: settings.retry_for,
    }
}

/// Parses an endpoint as Google's clients do: a missing scheme means `scheme`, and the path is ignored.
pub(super) fn parse_endpoint(name: &str, host: &str, scheme: &str) -> Result<String, Error> {
    let host = host.trim();
    let host = if host.contains("://") { host.to_owned() } else { format!("{scheme}://{host}") };
    let origin_end = host.find("://").map_or(0, |at| at + 3);
    let end = host[origin_end..].find('/').map_or(host.len(), |slash| origin_end + slash);
    let origin = &host[..end];
    if origin.contains('@') {
        return Err(invalid(name, "it contains a user or password; name the host only"));
    }
    let wrong =
        || invalid(name, "not a URL; expected one like localhost:4443 or https://storage.example.com");
    if parse_http_uri(origin).is_none() || origin.contains(['?', '#']) {
        return Err(wrong());
    }
    Ok(origin.to_owned())
}

/// Parses a URL with both parsers that will read it later; one of them panics on invalid URLs.
fn parse_http_uri(address: &str) -> Option<Uri> {
    let url: reqwest::Url = address.parse().ok()?;
    let uri: Uri = address.parse().ok()?;
    let named = url.host_str().is_some_and(|host| !host.is_empty()) && uri.host().is_some();
    (named && matches!(url.scheme(), "http" | "https")).then_some(uri)
}

/// Refuses a URL that would carry credentials unencrypted.
fn require_secure(name: &str, address: &str) -> Result<(), Error> {
    let wrong = "not a URL; expected one like https://storage.example.com";
    let address = parse_http_uri(address).ok_or_else(|| invalid(name, wrong))?;
    match address.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_loopback_host(address.host().unwrap_or_default()) => Ok(()),
        Some("http") => Err(invalid(name, "it would send credentials unencrypted; use an https:// URL")),
        _ => Err(invalid(name, wrong)),
    }
}

/// Reports an invalid variable without its value, which may be a secret.
fn invalid(name: &str, message: &str) -> Error {
    Error::Settings { name: name.to_owned(), message: message.to_owned() }
}

/// Checks a credentials file early and with a clear message; returns whether there is one. Never repeats its contents.
fn check_key_file(url: &str, named: Option<String>) -> Result<bool, Error> {
    let fault = |message: String| {
        Err(Error::Credentials { message: format!("{url}: {message}; {CREDENTIALS_HINT}") })
    };
    let usual = || {
        std::env::var("HOME")
            .ok()
            .map(|home| PathBuf::from(home).join(".config/gcloud/application_default_credentials.json"))
    };
    let path = match named {
        Some(path) => PathBuf::from(path),
        None => match usual().filter(|path| path.exists()) {
            Some(path) => path,
            None => return Ok(false),
        },
    };
    let mut text = String::new();
    // Key files are far smaller; a larger one may be an endless device.
    if File::open(&path).and_then(|file| file.take(1 << 20).read_to_string(&mut text)).is_err() {
        return fault(format!("the credentials file {} cannot be read", path.display()));
    }
    let json = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
    let fields: &[&str] = match json["type"].as_str() {
        Some("service_account") => &["client_email", "private_key", "private_key_id"],
        Some("authorized_user") => &["client_id", "client_secret", "refresh_token"],
        Some(kind @ ("external_account" | "impersonated_service_account")) => {
            return fault(format!(
                "{} holds {kind} credentials, which are not supported yet",
                path.display()
            ));
        }
        _ => {
            return fault(format!(
                "{} is neither a service account key nor application default credentials",
                path.display()
            ));
        }
    };
    for secret in
        ["client_secret", "refresh_token", "private_key"].iter().filter_map(|name| json[*name].as_str())
    {
        secret.lines().filter(|line| !line.starts_with("-----")).for_each(redact::register);
    }
    match fields.iter().find(|field| !json[**field].is_string()) {
        Some(field) => fault(format!("{} has no string {field}", path.display())),
        None => Ok(true),
    }
}

/// Gets a first token, retrying transient failures.
async fn fetch_token(url: &str, store: &GoogleCloudStorage, settings: &StoreConfig) -> Result<(), Error> {
    let ask = || async {
        let refused = |error| match Error::from_token(url, &error) {
            Error::Credentials { message } => no_credentials(url, &message),
            error => error,
        };
        store.credentials().get_credential().await.map(drop).map_err(refused)
    };
    settings.retry(ask, Error::is_transient).await
}

async fn fetch_metadata_token(url: &str, store: &GoogleCloudStorage) -> Result<(), Error> {
    match tokio::time::timeout(METADATA_TIMEOUT, store.credentials().get_credential()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(no_credentials(url, &Error::from_token(url, &error).to_string())),
        Err(_) => Err(no_credentials(url, "the metadata server did not answer")),
    }
}

fn no_credentials(url: &str, why: &str) -> Error {
    Error::Credentials {
        message: format!("{url}: no credentials for Cloud Storage ({why}); {CREDENTIALS_HINT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_endpoint, require_secure};

    #[test]
    fn emulator_host_accepts_scheme_and_path() {
        for host in
            ["127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9/", "http://127.0.0.1:9/storage/v1/"]
        {
            assert_eq!(parse_endpoint("A", host, "http").unwrap(), "http://127.0.0.1:9");
        }
        assert_eq!(
            parse_endpoint("A", "private.example.com/", "https").unwrap(),
            "https://private.example.com"
        );
        assert_eq!(parse_endpoint("A", " [::1]:9\n", "http").unwrap(), "http://[::1]:9");
        for host in
            ["", "/", "http://", "://x", "h:99999", "h:x", "[::1", "a b", "h\nx", "ftp://h", "h?x", "h#x"]
        {
            let refused = parse_endpoint("A", host, "http").map_err(|error| error.to_string());
            assert!(refused.as_ref().is_err_and(|told| told.starts_with("A: ")), "{host:?}: {refused:?}");
        }
        let refused = parse_endpoint("A", "http://u:hush@127.0.0.1:9/", "http").unwrap_err().to_string();
        assert!(refused.starts_with("A: ") && !refused.contains("hush"));
    }

    #[test]
    fn credentials_require_https_or_loopback() {
        for address in [
            "https://a.example",
            "HTTPS://a.example/token",
            "http://127.0.0.1:9/o",
            "http://[::1]:9",
            "http://localhost",
        ] {
            assert!(require_secure("A", address).is_ok(), "{address}");
        }
        for address in [
            "http://a.example",
            "HTTP://10.0.0.1/",
            "http://127.0.0.1.a.example",
            "a.example",
            "ftp://a.example",
            "/",
            "hush hush",
        ] {
            let refused = require_secure("A", address).unwrap_err().to_string();
            assert!(refused.starts_with("A: ") && !refused.contains("hush"), "{address}: {refused}");
        }
    }
}
