//! A list that goes on says where, in its body and as a `Link` (RFC 8288) for whoever follows those.

use axum::{
    http::{HeaderValue, Uri, header::LINK},
    response::{IntoResponse, Response},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::users::List;

/// What RFC 3986 calls unreserved stays as it is.
const ALL_BUT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a page's successor begins.
#[derive(Debug, Clone)]
pub struct GoesOn(pub String);

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        let next = self.next.clone();
        going_on(axum::Json(self).into_response(), next)
    }
}

/// An answer that is a page, with what its body says of the next one.
pub fn going_on(mut answer: Response, next: Option<String>) -> Response {
    if let Some(next) = next {
        answer.extensions_mut().insert(GoesOn(next));
    }
    answer
}

/// Names the next page's address in the answer to who asked for this one.
pub fn link(asked: &Uri, answer: &mut Response) {
    if let Some(GoesOn(next)) = answer.extensions_mut().remove::<GoesOn>()
        && let Ok(link) = HeaderValue::from_str(&format!("<{}>; rel=\"next\"", address(asked, &next)))
    {
        answer.headers_mut().insert(LINK, link);
    }
}

/// The same list from a cursor on: what said where to begin is left out.
fn address(uri: &Uri, cursor: &str) -> String {
    let begins = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        ["", "cursor", "before", "after", "around"].contains(&name)
    };
    let stays = uri.query().unwrap_or_default().split('&').filter(|parameter| !begins(parameter));
    let cursor = format!("cursor={}", utf8_percent_encode(cursor, ALL_BUT_UNRESERVED));
    let query: Vec<&str> = stays.chain([cursor.as_str()]).collect();
    format!("{}?{}", uri.path(), query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked(path: &str, next: Option<&str>) -> Option<String> {
        let mut answer = List { items: vec![1], next: next.map(str::to_owned) }.into_response();
        link(&path.parse().unwrap(), &mut answer);
        answer.headers().get(LINK).map(|link| link.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_page_that_goes_on_links_to_the_next_one() {
        let link = linked("/v1/list?limit=2&after=7", Some("0a👍"));
        assert_eq!(link.as_deref(), Some("</v1/list?limit=2&cursor=0a%F0%9F%91%8D>; rel=\"next\""));
        let link = linked("/v1/list?cursor=5", Some("6"));
        assert_eq!(link.as_deref(), Some("</v1/list?cursor=6>; rel=\"next\""));
        assert_eq!(linked("/v1/list", None), None);
    }
}
