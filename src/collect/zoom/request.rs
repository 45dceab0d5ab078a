//! Requests for pages: their URLs, and how messages describe them.

use super::token::Token;
use super::window::Window;
use crate::collect::log_kind::LogKind;
use crate::redact;
use reqwest::Url;
use reqwest::header::HeaderMap;

/// A request for a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageRequest<'a> {
    pub(super) logs: LogKind,
    pub(super) window: Window,
    pub(super) page_size: u16,
    /// The token of the page; `None` for the first page.
    pub(super) next: Option<&'a str>,
}

impl PageRequest<'_> {
    /// Returns the URL. The library encodes all parameters, because page tokens contain `+`, `/`, `=` and `&`.
    pub(super) fn url(&self, token: &Token) -> Url {
        let mut url = token.api.clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), self.logs.spec().path));
        let (from, to) = self.window.bounds();
        url.query_pairs_mut()
            .append_pair("from", &from)
            .append_pair("to", &to)
            .append_pair("page_size", &self.page_size.to_string());
        if let Some(next) = self.next {
            url.query_pairs_mut().append_pair("next_page_token", next);
        }
        url
    }

    /// Returns what is requested, for messages.
    pub(super) fn describe(&self) -> String {
        let which = if self.next.is_some() { "a further page" } else { "the first page" };
        let (from, to) = self.window.bounds();
        format!("{} from {from} to {to}, {which}", self.logs.spec().title)
    }
}

/// Returns the method and URL of a request without its page token.
pub(super) fn redacted_url(url: &Url) -> String {
    let mut shown = url.clone();
    shown.query_pairs_mut().clear();
    for (key, value) in url.query_pairs() {
        let value = if key == "next_page_token" { format!("({} bytes)", value.len()).into() } else { value };
        shown.query_pairs_mut().append_pair(&key, &value);
    }
    format!("GET {shown}")
}

/// Returns Zoom's ID for a request, redacted and of a bounded length; empty if there is none.
pub(super) fn tracking_id(headers: &HeaderMap) -> String {
    let id = headers.get("x-zm-trackingid").map(|value| String::from_utf8_lossy(value.as_bytes()));
    redact::redact_and_truncate(&id.unwrap_or_default(), 200)
}
