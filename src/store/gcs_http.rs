//! The HTTP client below `object_store`: works around limitations in its use of Cloud Storage's XML API.

use super::{download_check, listing, name_escape};
use crate::{net, redact};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, ETAG, RANGE};
use http::{HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService, ReqwestConnector,
};
use std::borrow::Cow;
use std::io;

/// Where `object_store` requests tokens for users who logged in with gcloud.
const TOKENS: &str = "https://accounts.google.com/o/oauth2/token";

/// Of a request to copy, what to copy.
const SOURCE: &str = "x-goog-copy-source";
/// The path of the metadata server, whose responses are not objects.
const METADATA: &str = "/computeMetadata/";

/// Creates these clients.
#[derive(Debug)]
pub(super) struct GcsHttpConnector {
    /// A replacement for the token endpoint, from gcloud's own setting.
    pub(super) tokens: Option<String>,
    /// The bucket that is listed.
    pub(super) bucket: String,
    /// Whether objects may come without a checksum: emulators have none.
    pub(super) lenient: bool,
}

impl HttpConnector for GcsHttpConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let connect = |options: &ClientOptions| ReqwestConnector::default().connect(options);
        // `object_store` offers no way to disable proxies except a proxy that matches nothing.
        let past =
            || options.clone().with_proxy_url("http://localhost").with_proxy_excludes("*,0.0.0.0/0,::/0");
        let direct = net::proxy_configured().then(|| connect(&past())).transpose()?;
        Ok(HttpClient::new(GcsHttpService {
            inner: connect(options)?,
            direct,
            tokens: self.tokens.clone(),
            bucket: self.bucket.clone(),
            lenient: self.lenient,
        }))
    }
}

/// An HTTP client that requests objects as stored (filling in two headers if they are gzip-encoded), passes unusual
/// names through, checksums uploads, and records what downloads must match.
#[derive(Debug)]
struct GcsHttpService {
    inner: HttpClient,
    /// For requests that must not use a proxy.
    direct: Option<HttpClient>,
    tokens: Option<String>,
    bucket: String,
    lenient: bool,
}

#[async_trait::async_trait]
impl HttpService for GcsHttpService {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        register_bearer(&request);
        restore_object_name(&mut request)?;
        if let Some(tokens) = self.tokens.as_ref().filter(|_| *request.uri() == TOKENS) {
            let uri = Uri::try_from(tokens).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
            *request.uri_mut() = uri;
        }
        let uri = request.uri().clone();
        let reads =
            matches!(*request.method(), Method::GET | Method::HEAD) && !uri.path().starts_with(METADATA);
        let lists = reads && uri.query().is_some_and(|query| query.contains("list-type=2"));
        if reads && !lists {
            request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let sends = *request.method() == Method::PUT && request.body().content_length() > 0;
        if sends {
            add_crc32c(&mut request).await?;
        }
        // A copy, or a part of an upload, is not an object of its own yet.
        let creates = *request.method() == Method::PUT
            && !uri.query().is_some_and(|query| query.contains("uploadId="))
            && !request.headers().contains_key(SOURCE);
        let ranged = request.headers().contains_key(RANGE);
        let gets = *request.method() == Method::GET;
        let near =
            self.direct.as_ref().filter(|_| net::bypasses_proxy(request.uri().host().unwrap_or_default()));
        let mut response = near.unwrap_or(&self.inner).execute(request).await?;
        if lists && response.status().is_success() {
            return list_page(response, &self.bucket, &uri).await;
        }
        if sends && response.status() == StatusCode::BAD_REQUEST {
            return detect_bad_digest(response).await;
        }
        if creates && response.status().is_success() {
            download_check::from_cloud_storage(response.headers()).map_err(interrupted)?;
        }
        if reads && response.status().is_success() {
            download_check::from_cloud_storage(response.headers()).map_err(interrupted)?;
            if gets {
                let (status, headers) = (response.status(), response.headers());
                let expected = download_check::Expected::from_metadata(status, headers, ranged, self.lenient);
                response.extensions_mut().insert(expected.map_err(interrupted)?);
            }
            default_header_from(&mut response, CONTENT_LENGTH, "x-goog-stored-content-length");
            default_header_from(&mut response, ETAG, download_check::GENERATION);
        }
        Ok(response)
    }
}

/// Has the access token of a request removed from texts: a server may repeat it in an error.
fn register_bearer(request: &HttpRequest) {
    let value = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some((_, token)) = value.and_then(|value| value.split_once(' ')) {
        redact::register_short_lived(token);
    }
}

/// Unescapes the name in the URL, and that of a copy's source, and converts a generation tag after it to the
/// precondition that it stands for.
fn restore_object_name(request: &mut HttpRequest) -> Result<(), HttpError> {
    let wrong = |error: http::Error| HttpError::new(HttpErrorKind::Unknown, error);
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| wrong(error.into()));
    let source =
        request.headers().get(SOURCE).and_then(|source| name_escape::unescape_uri(source.to_str().ok()?));
    if let Some((source, _)) = source {
        request.headers_mut().insert(SOURCE, value(&source)?);
    }
    let Some((uri, generation)) = name_escape::unescape_uri(&request.uri().to_string()) else {
        return Ok(());
    };
    *request.uri_mut() = Uri::try_from(uri).map_err(|error| wrong(error.into()))?;
    if let Some(generation) = generation {
        request.headers_mut().insert("x-goog-if-generation-match", value(&generation)?);
    }
    Ok(())
}

/// Adds the CRC32C of an upload; Cloud Storage refuses corrupted uploads.
async fn add_crc32c(request: &mut HttpRequest) -> Result<(), HttpError> {
    let (mut body, mut sum) = (request.body().clone(), 0);
    while let Some(frame) = body.frame().await {
        sum = frame?.data_ref().map_or(sum, |data| crc32c::crc32c_append(sum, data));
    }
    let value = HeaderValue::from_str(&format!("crc32c={}", STANDARD.encode(sum.to_be_bytes())));
    let value = value.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
    request.headers_mut().insert("x-goog-hash", value);
    Ok(())
}

/// Converts a refusal of a corrupted upload to a transient error, so that it is retried. Other refusals stay as they
/// are.
async fn detect_bad_digest(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (parts, body) = response.into_parts();
    let body = body.bytes().await.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
    if memchr::memmem::find(&body, b"BadDigest").is_some() {
        let damaged = io::Error::new(io::ErrorKind::InvalidData, "the upload was corrupted in transit");
        return Err(HttpError::new(HttpErrorKind::Request, damaged));
    }
    Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(body)))
}

fn default_header_from(response: &mut HttpResponse, header: http::HeaderName, from: &str) {
    if let Some(value) = response.headers().get(from).cloned() {
        response.headers_mut().entry(header).or_insert(value);
    }
}

/// Returns the error for a response that is not what was requested; `object_store` retries the request.
fn interrupted(why: String) -> HttpError {
    HttpError::new(HttpErrorKind::Interrupted, io::Error::other(why))
}

/// Reads a page whole and checks it, so that a wrong one counts as a request that failed, and marks the odd names in it.
async fn list_page(response: HttpResponse, bucket: &str, request: &Uri) -> Result<HttpResponse, HttpError> {
    let (mut parts, body) = response.into_parts();
    let body = body.bytes().await.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
    let page =
        simdutf8::basic::from_utf8(&body).map_or_else(|_| String::from_utf8_lossy(&body), Cow::Borrowed);
    listing::check_page(&page, bucket, request).map_err(interrupted)?;
    let body = match name_escape::escape_listing_keys(&page) {
        Some(escaped) => HttpResponseBody::from(escaped),
        None => HttpResponseBody::from(body.clone()),
    };
    parts.headers.remove(CONTENT_LENGTH);
    Ok(HttpResponse::from_parts(parts, body))
}
