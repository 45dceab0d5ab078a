//! Listings of Cloud Storage, page by page. A listing decides what is read and what is not there, so each page must be of
//! this bucket and prefix, and the pages must be complete, in order and without repetition.

use super::config::StoreConfig;
use super::error::{Error, UNEXPECTED_SERVER_HINT};
use super::name_escape::{decode_char_refs, escape, unescape};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use http::Uri;
use object_store::ObjectMeta;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::Arc;

/// The longest page token, in bytes. Cloud Storage's are a few hundred; a URL of 64 KiB could not be requested.
const MAX_TOKEN_LENGTH: usize = 8 << 10;
/// The most pages in a row without an object.
const MAX_EMPTY_PAGES: usize = 10_000;

/// The header of a listing page.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Head {
    name: Option<String>,
    #[serde(default)]
    prefix: String,
    /// Not every emulator has pages.
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_continuation_token: String,
    /// The number of objects on the page; not every emulator tells it.
    key_count: Option<usize>,
}

/// Checks that a page is the one that was requested, and is complete.
///
/// # Errors
/// Why it is not.
pub(super) fn check_page(page: &str, bucket: &str, request: &Uri) -> Result<(), String> {
    let foreign = |why: &str| format!("{why}: {UNEXPECTED_SERVER_HINT}");
    if !page.contains("<ListBucketResult") {
        return Err(foreign("the response is not a listing"));
    }
    let head = head(page).ok_or_else(|| foreign("the listing is malformed or truncated"))?;
    match &head.name {
        Some(name) if name == bucket => {}
        Some(name) => return Err(foreign(&format!("the listing is for another bucket ({name:?})"))),
        None => return Err(foreign("the listing names no bucket")),
    }
    let (prefix, token) = requested(request);
    if fold_prefix(&head.prefix) != fold_prefix(&prefix) {
        return Err(foreign(&format!("the listing is for another prefix ({:?})", head.prefix)));
    }
    let keys = page.matches("<Contents>").count() + page.matches("<CommonPrefixes>").count();
    if let Some(key_count) = head.key_count.filter(|count| keys < *count) {
        return Err(foreign(&format!("the listing has {keys} entries, but its KeyCount is {key_count}")));
    }
    let next = head.next_continuation_token;
    if head.is_truncated && next.is_empty() {
        return Err(foreign("the listing is incomplete (IsTruncated without NextContinuationToken)"));
    }
    if !next.is_empty() && next == token {
        return Err(foreign("the listing repeats a page token"));
    }
    if next.len() > MAX_TOKEN_LENGTH {
        return Err(foreign(&format!("the listing has a page token of {} bytes", next.len())));
    }
    Ok(())
}

/// Returns the members of a page, without its objects.
fn head(page: &str) -> Option<Head> {
    const END: &str = "</Contents>";
    let head = match (page.find("<Contents>"), page.rfind(END)) {
        (Some(start), Some(end)) if start < end => format!("{}{}", &page[..start], &page[end + END.len()..]),
        (None, None) => page.to_owned(),
        _ => return None,
    };
    quick_xml::de::from_str(&decode_char_refs(&head)).ok()
}

/// Returns the prefix and the page token of a request.
fn requested(request: &Uri) -> (String, String) {
    let (mut prefix, mut token) = (String::new(), String::new());
    if let Ok(url) = reqwest::Url::parse(&request.to_string()) {
        for (key, value) in url.query_pairs() {
            match &*key {
                "prefix" => prefix = value.into_owned(),
                "continuation-token" => token = value.into_owned(),
                _ => {}
            }
        }
    }
    (prefix, token)
}

/// Returns a prefix as XML may return it: white space at its ends is lost, and control characters may be changed.
fn fold_prefix(prefix: &str) -> String {
    prefix.replace(char::is_control, " ").trim().to_owned()
}

/// A listing in progress.
struct Listing {
    pages: Arc<dyn PaginatedListStore>,
    settings: StoreConfig,
    url: String,
    prefix: String,
    /// A marked name after which the listing begins.
    after: Option<String>,
    /// Where the next page begins; `None` after the last one.
    next: Option<Option<String>>,
    /// The name of the last object.
    last: Option<String>,
    /// The tokens since the last object.
    tokens: HashSet<String>,
}

/// Lists the objects below a prefix, after a marked name. A page that fails is requested again as the settings allow.
pub(super) fn objects(
    pages: Arc<dyn PaginatedListStore>,
    settings: StoreConfig,
    url: String,
    prefix: &str,
    after: Option<&str>,
) -> BoxStream<'static, Result<ObjectMeta, Error>> {
    let listing = Listing {
        pages,
        settings,
        url,
        prefix: prefix.into(),
        after: after.map(str::to_owned),
        next: Some(None),
        last: None,
        tokens: HashSet::new(),
    };
    let page = |mut listing: Listing| async move {
        let objects = listing.page().await?;
        Ok(objects.map(|objects| (objects, listing)))
    };
    futures::stream::try_unfold(listing, page)
        .map_ok(|objects| futures::stream::iter(objects.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}

impl Listing {
    /// The objects of the next page; `None` after the last page.
    async fn page(&mut self) -> Result<Option<Vec<ObjectMeta>>, Error> {
        let Some(token) = self.next.take() else { return Ok(None) };
        let this = &*self;
        let request = || this.request(token.clone());
        let page = this.settings.retry(request, Error::is_transient).await?;
        self.next = page.page_token.filter(|token| !token.is_empty()).map(Some);
        if let Some(last) = page.result.objects.last() {
            self.last = Some(unescape(last.location.as_ref()).into_owned());
            self.tokens.clear();
        }
        self.tokens.extend(self.next.clone().flatten());
        Ok(Some(page.result.objects))
    }

    async fn request(&self, token: Option<String>) -> Result<PaginatedListResult, Error> {
        // As object_store's own listings do: a prefix is a directory.
        let directory = self.prefix.trim_end_matches('/');
        let prefix = (!directory.is_empty()).then(|| format!("{}/", escape(directory)));
        let options =
            PaginatedListOptions { offset: self.after.clone(), page_token: token, ..Default::default() };
        let page = self.pages.list_paginated(prefix.as_deref(), options).await;
        let page = page.map_err(|error| Error::from_object_store(&*self.url, &error))?;
        self.check(&page).map_err(|why| Error::Transient {
            url: self.url.clone(),
            message: format!("{why}: {UNEXPECTED_SERVER_HINT}"),
        })?;
        Ok(page)
    }

    /// Checks that a page continues where the previous one ended. Cloud Storage lists names in the order of their bytes.
    fn check(&self, page: &PaginatedListResult) -> Result<(), String> {
        let mut last = self.last.as_deref().map(Into::into);
        for object in &page.result.objects {
            let name = unescape(object.location.as_ref());
            if !name.starts_with(&self.prefix) {
                return Err(format!("the listing has an object outside its prefix ({name:?})"));
            }
            if last.as_ref().is_some_and(|last| *last >= name) {
                return Err(format!("the listing repeats an object or is out of order ({name:?})"));
            }
            last = Some(name);
        }
        let loops = page.result.objects.is_empty()
            && page
                .page_token
                .as_ref()
                .is_some_and(|token| self.tokens.contains(token) || self.tokens.len() >= MAX_EMPTY_PAGES);
        if loops { Err("the listing does not end".into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::check_page;

    const OBJECT: &str = "<Contents><Key>zoom/a</Key><Size>1</Size></Contents>";

    fn checked(page: &str, query: &str) -> Result<(), String> {
        check_page(page, "logs", &format!("http://h/logs?list-type=2{query}").parse().unwrap())
    }

    fn page(members: &str) -> String {
        format!("<?xml version='1.0'?><ListBucketResult xmlns='x'>{members}</ListBucketResult>")
    }

    #[test]
    fn listing_pages_of_bucket_and_prefix_are_accepted() {
        let zoom = "&prefix=zoom%2F";
        let begins = "<Name>logs</Name><Prefix>zoom/</Prefix>";
        for members in [
            format!("{begins}<IsTruncated>false</IsTruncated>"),
            format!("{begins}{OBJECT}{OBJECT}<IsTruncated>false</IsTruncated>"),
            format!(
                "{begins}<IsTruncated>true</IsTruncated>{OBJECT}<NextContinuationToken>t</NextContinuationToken>"
            ),
            begins.to_owned(),
        ] {
            assert_eq!(checked(&page(&members), zoom), Ok(()), "{members}");
        }
        assert_eq!(checked(&page("<Name>logs</Name><Prefix/>"), ""), Ok(()));
        let odd = "<Name>logs</Name><Prefix>a&amp;b &#x1;&#10;é/</Prefix>";
        assert_eq!(checked(&page(odd), "&prefix=a%26b+%01%0A%C3%A9%2F"), Ok(()));
    }

    #[test]
    fn foreign_listing_pages_are_rejected() {
        let token = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>";
        let whole =
            page(&format!("<Name>logs</Name><Prefix></Prefix>{OBJECT}<IsTruncated>false</IsTruncated>"));
        for (page, query, why) in [
            ("<html></html>".into(), "", "not a listing"),
            ("<ListBucketResult/>".into(), "", "names no bucket"),
            (page("<Name>other</Name>"), "", "another bucket (\"other\")"),
            (page("<Name>logs</Name>"), "&prefix=zoom%2F", "another prefix (\"\")"),
            (page("<Name>logs</Name><Prefix>a/</Prefix>"), "&prefix=zoom%2F", "another prefix (\"a/\")"),
            (page("<Name>logs</Name><IsTruncated>true</IsTruncated>"), "", "incomplete"),
            (page("<Name>logs</Name><IsTruncated>perhaps</IsTruncated>"), "", "malformed"),
            (page("<Name>logs</Name><KeyCount>9</KeyCount>"), "", "its KeyCount is 9"),
            (page(&format!("<Name>logs</Name>{token}")), "&continuation-token=t", "repeats a page token"),
            (
                page(&format!(
                    "<Name>logs</Name>{}",
                    token.replace(">t<", &format!(">{}<", "t".repeat(9000)))
                )),
                "",
                "9000 bytes",
            ),
        ] {
            let told = checked(&page, query).unwrap_err();
            assert!(told.contains(why) && told.contains("not from Cloud Storage"), "{page}: {told}");
        }
        for length in 0..whole.len() {
            assert!(checked(&whole[..length], "").is_err(), "{}", &whole[..length]);
        }
        assert_eq!(checked(&whole, ""), Ok(()));
    }
}
