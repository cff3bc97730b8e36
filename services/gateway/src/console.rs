//! The web console and the rendered reference: plain files inside the binary, served as they are.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    Router,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// Everything comes from here and nothing is inline. Sockets go to this host, by whichever of its names it was opened.
/// Only pictures come from elsewhere: people and conversations name theirs by address.
const POLICY: &str = "default-src 'self'; img-src 'self' https:; connect-src 'self' ws: wss:; object-src 'none'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! files {
    ($($path:literal $file:literal $kind:ident;)+) => {
        /// Path, content type and content of each file.
        const FILES: &[(&str, &str, &str)] = &[$(($path, $kind, include_str!(concat!("../web/", $file)))),+];
    };
}

files! {
    "/"                                    "index.html"                 HTML;
    "/console/style.css"                   "style.css"                  CSS;
    "/console/style_parts.css"             "style_parts.css"            CSS;
    "/console/style_sign_in.css"           "style_sign_in.css"          CSS;
    "/console/style_chat.css"              "style_chat.css"             CSS;
    "/console/style_list.css"              "style_list.css"             CSS;
    "/console/style_thread.css"            "style_thread.css"           CSS;
    "/console/style_message.css"           "style_message.css"          CSS;
    "/console/style_composer.css"          "style_composer.css"         CSS;
    "/console/style_panel.css"             "style_panel.css"            CSS;
    "/console/style_popups.css"            "style_popups.css"           CSS;
    "/console/style_dialogs.css"           "style_dialogs.css"          CSS;
    "/console/style_phone.css"             "style_phone.css"            CSS;
    "/console/icon.svg"                    "icon.svg"                   SVG;
    "/console/look_early.js"               "look_early.js"              JS;
    "/console/app.js"                      "app.js"                     JS;
    "/console/session.js"                  "session.js"                 JS;
    "/console/rest.js"                     "rest.js"                    JS;
    "/console/routes.js"                   "routes.js"                  JS;
    "/console/chat.js"                     "chat.js"                    JS;
    "/console/feed.js"                     "feed.js"                    JS;
    "/console/connection.js"               "connection.js"              JS;
    "/console/link.js"                     "link.js"                    JS;
    "/console/reader.js"                   "reader.js"                  JS;
    "/console/outbox.js"                   "outbox.js"                  JS;
    "/console/history.js"                  "history.js"                 JS;
    "/console/list.js"                     "list.js"                    JS;
    "/console/store.js"                    "store.js"                   JS;
    "/console/timeline.js"                 "timeline.js"                JS;
    "/console/reactions.js"                "reactions.js"               JS;
    "/console/unread.js"                   "unread.js"                  JS;
    "/console/marks.js"                    "marks.js"                   JS;
    "/console/typing.js"                   "typing.js"                  JS;
    "/console/presence.js"                 "presence.js"                JS;
    "/console/members.js"                  "members.js"                 JS;
    "/console/markup.js"                   "markup.js"                  JS;
    "/console/notices.js"                  "notices.js"                 JS;
    "/console/mentions.js"                 "mentions.js"                JS;
    "/console/rights.js"                   "rights.js"                  JS;
    "/console/pace.js"                     "pace.js"                    JS;
    "/console/blocks.js"                   "blocks.js"                  JS;
    "/console/actions.js"                  "actions.js"                 JS;
    "/console/users.js"                    "users.js"                   JS;
    "/console/ids.js"                      "ids.js"                     JS;
    "/console/look.js"                     "look.js"                    JS;
    "/console/emoji.js"                    "emoji.js"                   JS;
    "/console/explain.js"                  "explain.js"                 JS;
    "/console/dom.js"                      "dom.js"                     JS;
    "/console/view_sign_in.js"             "view_sign_in.js"            JS;
    "/console/view_chat.js"                "view_chat.js"               JS;
    "/console/view_sidebar.js"             "view_sidebar.js"            JS;
    "/console/view_found_people.js"        "view_found_people.js"       JS;
    "/console/view_conversation_row.js"    "view_conversation_row.js"   JS;
    "/console/view_conversation_menu.js"   "view_conversation_menu.js"  JS;
    "/console/view_thread.js"              "view_thread.js"             JS;
    "/console/view_head.js"                "view_head.js"               JS;
    "/console/view_rows.js"                "view_rows.js"               JS;
    "/console/view_message.js"             "view_message.js"            JS;
    "/console/view_text.js"                "view_text.js"               JS;
    "/console/view_tools.js"               "view_tools.js"              JS;
    "/console/view_reactors.js"            "view_reactors.js"           JS;
    "/console/view_selection.js"           "view_selection.js"          JS;
    "/console/view_forward.js"             "view_forward.js"            JS;
    "/console/view_composer.js"            "view_composer.js"           JS;
    "/console/view_mentions.js"            "view_mentions.js"           JS;
    "/console/view_emoji.js"               "view_emoji.js"              JS;
    "/console/view_menu.js"                "view_menu.js"               JS;
    "/console/view_panel.js"               "view_panel.js"              JS;
    "/console/view_details.js"             "view_details.js"            JS;
    "/console/view_members.js"             "view_members.js"            JS;
    "/console/view_settings.js"            "view_settings.js"           JS;
    "/console/view_rights.js"              "view_rights.js"             JS;
    "/console/view_pins.js"                "view_pins.js"               JS;
    "/console/view_presence.js"            "view_presence.js"           JS;
    "/console/view_status.js"              "view_status.js"             JS;
    "/console/view_dialog.js"              "view_dialog.js"             JS;
    "/console/view_create.js"              "view_create.js"             JS;
    "/console/view_account.js"             "view_account.js"            JS;
    "/console/view_people.js"              "view_people.js"             JS;
    "/console/view_help.js"                "view_help.js"               JS;

    "/reference"                           "reference.html"             HTML;
    "/reference/protocol.md"               "../../../docs/protocol.md"  TEXT;
    "/console/reference.css"               "reference.css"              CSS;
    "/console/reference.js"                "reference.js"               JS;
    "/console/reference_text.js"           "reference_text.js"          JS;
    "/console/reference_schemas.js"        "reference_schemas.js"       JS;
    "/console/reference_operation.js"      "reference_operation.js"     JS;
}

/// `GET /` and `GET /console/…`. Needs no token: the page asks for one.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, &(path, kind, content)| {
        let tag = entity_tag(content);
        router.route(path, get(async move |asked: HeaderMap| answer(&asked, kind, content, &tag)))
    })
}

/// A file of this binary.
pub(crate) fn answer(asked: &HeaderMap, kind: &'static str, content: &'static str, tag: &HeaderValue) -> Response {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (ETAG, tag.clone()),
        // Asked again each time, and answered without a body: after an upgrade no page is made of two versions.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    if asked.get(IF_NONE_MATCH) == Some(tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, HeaderValue::from_static(kind))], content).into_response()
}

/// The same on every gateway of one build: this hasher has no random start.
pub(crate) fn entity_tag(content: &str) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish())).expect("hexadecimal digits in quotes are a header")
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, Request},
    };
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str, tag: Option<&HeaderValue>) -> Response {
        let mut request = Request::builder().method(Method::GET).uri(path);
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        routes::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn serves_every_file_with_its_type_and_a_strict_policy() {
        for &(path, kind, content) in FILES {
            let response = ask(path, None).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let headers = response.headers();
            assert_eq!(headers[CONTENT_TYPE], kind, "{path}");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
            assert_eq!(headers[REFERRER_POLICY], "no-referrer", "{path}");
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
            assert_eq!(text(response).await, content, "{path}");
        }
    }

    #[tokio::test]
    async fn answers_a_known_version_without_a_body() {
        let first = ask("/", None).await;
        let tag = first.headers()[ETAG].clone();
        let again = ask("/", Some(&tag)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[ETAG], tag);
        assert!(text(again).await.is_empty());
        let other = ask("/console/app.js", Some(&tag)).await;
        assert_eq!(other.status(), StatusCode::OK, "another file's tag is no match");
    }

    #[tokio::test]
    async fn unknown_files_are_not_found() {
        assert_eq!(ask("/console/absent.js", None).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(ask("/console/../src/lib.rs", None).await.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn everything_the_files_name_is_served() {
        let served: Vec<&str> = FILES.iter().map(|&(path, ..)| path).collect();
        for &(path, _, content) in FILES {
            for import in quoted(content, "from \"./") {
                assert!(served.contains(&format!("/console/{import}").as_str()), "{path} imports {import}");
            }
            for link in quoted(content, "=\"/console/") {
                assert!(served.contains(&format!("/console/{link}").as_str()), "{path} links {link}");
            }
            for foreign in ["src=\"http", "href=\"http", "url(", "@import", "innerHTML", "eval("] {
                assert!(!content.contains(foreign), "{path} holds {foreign}");
            }
        }
    }

    fn quoted<'a>(content: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
        content.split(before).skip(1).filter_map(|rest| rest.split('"').next())
    }
}
