//! The hub over HTTP: redirects, the token, and what a refusal means.
//!
//! The hub answers for a large file with a redirect to another server, which holds the bytes; its own answer states the
//! commit (`X-Repo-Commit`) and the file's SHA-256 (`X-Linked-Etag`). Small files, and repositories with a new name,
//! are redirected to another path of the hub. ureq would send the token to all of these servers or to none, so the
//! redirects are followed here.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use ureq::http::{HeaderMap, StatusCode};
use ureq::{Agent, Body};

use super::super::source::HubModel;
use super::access::HubAccess;
use crate::commands::shared::Usage;
use crate::domain::text::clean;
use crate::web::{origin, target, without_query};

/// How long a server may stay silent.
const PATIENCE: Duration = Duration::from_secs(30);
const MOST_REDIRECTS: usize = 10;
/// The most characters of a server's own words in a message.
const LONGEST_QUOTE: usize = 120;

/// A connection to the hub.
pub struct HubClient {
    access: HubAccess,
    agent: Agent,
}

/// The answer at the end of all redirects.
pub struct HubAnswer {
    /// Where it came from, without the query, which may hold a signature.
    pub address: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
    /// What the hub states of the file: its commit.
    pub commit: Option<String>,
    /// What the hub states of a file that another server holds: its SHA-256, without quotes.
    pub linked_etag: Option<String>,
    /// Whether the hub itself answers, and not a server that it redirects to.
    is_hub: bool,
}

impl HubClient {
    pub fn new(access: HubAccess) -> Self {
        let agent = Agent::config_builder()
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("cxr/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        HubClient { access, agent }
    }

    /// The address of a path on the server that is asked, which begins with a slash.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.access.server)
    }

    /// Asks for an address, from byte `from` on, and follows redirects. The token is sent to the hub alone.
    ///
    /// # Errors
    /// If a server cannot be reached, or redirects without end or to no address. A status such as 404 is no error
    /// here: see [`HubClient::refusal`].
    pub fn get(&self, url: &str, from: u64) -> Result<HubAnswer> {
        let home = origin(&self.access.server);
        let mut url = url.to_owned();
        let (mut commit, mut linked_etag) = (None, None);
        for _ in 0..=MOST_REDIRECTS {
            let is_hub = origin(&url) == home;
            // The bytes that are counted and compared are those of the file, not of a compressed copy.
            let mut request = self
                .agent
                .get(url.as_str())
                .header("Accept-Encoding", "identity");
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            if let Some(token) = self.access.token.as_ref().filter(|_| is_hub) {
                request = request.header("Authorization", token.header());
            }
            let response = request
                .call()
                .map_err(|error| anyhow!("{} cannot be reached ({error})", without_query(&url)))?;
            let (parts, body) = response.into_parts();
            let header = |name| text_of(&parts.headers, name);
            if is_hub {
                commit = commit.or(header("x-repo-commit"));
                linked_etag = linked_etag.or(header("x-linked-etag").map(|tag| unquoted(&tag)));
            }
            let location = header("location").filter(|_| parts.status.is_redirection());
            let Some(location) = location else {
                return Ok(HubAnswer {
                    address: without_query(&url),
                    status: parts.status,
                    headers: parts.headers,
                    body,
                    commit,
                    linked_etag,
                    is_hub,
                });
            };
            url = target(&url, &location)?;
        }
        bail!(
            "{} is redirected more than {MOST_REDIRECTS} times",
            without_query(&url)
        )
    }

    /// Why the hub, or a server that it redirects to, gives no file of a model or no facts about it. What the user can
    /// mend is [`Usage`].
    pub fn refusal(&self, answer: &HubAnswer, model: &HubModel) -> anyhow::Error {
        let code = answer.header("x-error-code");
        let words = match (code.as_deref(), answer.status.as_u16()) {
            _ if !answer.is_hub => return answer.as_it_is(),
            (Some("GatedRepo"), _) => format!(
                "its authors give it to those who accept their terms: accept them at {}, and {}",
                model.page(),
                self.advice()
            ),
            (Some("RevisionNotFound"), _) => format!("it has no revision {}", model.revision),
            (Some("EntryNotFound"), _) => format!("{} is not there", answer.address),
            (_, 401) if self.is_refused(answer) => {
                format!(
                    "the hub does not accept the token of {}",
                    self.token_origin()
                )
            }
            (Some("RepoNotFound"), _) | (_, 401 | 404) => format!(
                "{} has no such model, or none that you may see: check the name, and {}",
                self.access.server,
                self.advice()
            ),
            (_, 403) => format!("you may not read it: {}", self.advice()),
            (_, 429) => return answer.later(),
            _ => return answer.as_it_is(),
        };
        Usage::error(words)
    }

    /// Whether the hub says that the token itself is wrong.
    fn is_refused(&self, answer: &HubAnswer) -> bool {
        let message = answer.header("x-error-message").unwrap_or_default();
        self.access.token.is_some() && message.starts_with("Invalid credentials")
    }

    /// What may help a user whom the hub does not let in.
    fn advice(&self) -> String {
        match &self.access.token {
            Some(token) => format!("see that the token of {} may read it", token.origin),
            None => "set HF_TOKEN to a token of your account".to_owned(),
        }
    }

    fn token_origin(&self) -> &str {
        let token = self.access.token.as_ref();
        token.map_or("", |token| token.origin.as_str())
    }
}

impl HubAnswer {
    /// A header as text; `None` if it is not there, or not in ASCII.
    pub fn header(&self, name: &str) -> Option<String> {
        text_of(&self.headers, name)
    }

    /// Whether a partial answer begins at this byte: `Content-Range: bytes 100-199/200`.
    pub fn begins_at(&self, from: u64) -> bool {
        let range = self.header("content-range");
        range
            .as_deref()
            .and_then(|range| range.strip_prefix("bytes "))
            .and_then(|range| range.split('-').next())
            .is_some_and(|first| first.parse() == Ok(from))
    }

    fn as_it_is(&self) -> anyhow::Error {
        let said = match self.header("x-error-message") {
            Some(message) => {
                let shown: String = clean(&message).chars().take(LONGEST_QUOTE).collect();
                format!(" ({shown})")
            }
            None => String::new(),
        };
        anyhow!("{}: the server says {}{said}", self.address, self.status)
    }

    fn later(&self) -> anyhow::Error {
        let wait = self
            .header("retry-after")
            .and_then(|wait| wait.parse::<u32>().ok());
        let wait = wait.map_or_else(String::new, |seconds| format!(", in {seconds} seconds"));
        anyhow!("the hub was asked too often: try again later{wait}")
    }
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// The value of an `ETag`, which may be weak: `W/"a"`.
fn unquoted(tag: &str) -> String {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_no_quotes() {
        assert_eq!(unquoted("W/\"ab\""), "ab");
        assert_eq!(unquoted("\"ab\""), "ab");
    }
}
