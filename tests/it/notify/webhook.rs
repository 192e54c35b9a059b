//! Webhooks, against a server of the tests' own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use snapkeep::config::UrlSource;
use snapkeep::run::notify::{Arrival, webhook_url};

use super::{IMPATIENT, PATIENT, failed, notify, send};

/// What the server does with a connection.
enum Answer {
    /// Replies: the status line and headers, and the body.
    Reply(&'static str, &'static str),
    /// Says nothing, and keeps the connection.
    Hang,
    /// Begins a refusal of which the end never comes.
    Drip,
    /// Reads the request and closes the connection.
    Cut,
}

/// A server that answers its connections in turn.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/services/T0/B0/s3cr3t-t0ken", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let answers: Vec<Answer> = answers.into_iter().collect();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                seen.lock().unwrap().push(request(&mut stream));
                // Whoever asked may have gone.
                let _ = match answer {
                    Answer::Reply(head, body) => {
                        let length = body.len();
                        write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}")
                    }
                    Answer::Drip => write!(stream, "HTTP/1.1 404 x\r\nContent-Length: 9\r\n\r\nno"),
                    Answer::Hang | Answer::Cut => Ok(()),
                };
                if matches!(answer, Answer::Hang | Answer::Drip) {
                    kept.push(stream);
                }
            }
            // Until the test ends, so that what hangs goes on hanging.
            std::thread::park();
            drop(kept);
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        if length.unwrap_or(0) <= body.len() || n == 0 {
            return text;
        }
    }
}

const WEBHOOK: &str = "webhook = { url_env = 'URL' }";

#[tokio::test]
async fn a_message_is_posted_as_slack_takes_it() {
    let server = Server::start([Answer::Reply("200 OK", "ok")]);
    let (arrival, _) = send(&notify(WEBHOOK), &server.url, PATIENT).await;
    assert_eq!(arrival, Arrival::Arrived);
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /services/T0/B0/s3cr3t-t0ken HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("*snapkeep test: this is how you are told*\n\n"), "{text}");
}

#[tokio::test]
async fn what_may_help_is_tried_once_more_and_nothing_else() {
    let ok = || Answer::Reply("200 OK", "ok");
    let busy = "429 Too Many Requests\r\nRetry-After: 0";
    let much_later = "429 Too Many Requests\r\nRetry-After: 3600";
    let never = "503 Unavailable\r\nRetry-After: 18446744073709551615";
    let elsewhere = "302 Found\r\nLocation: http://127.0.0.1:9/";
    for (answers, n_requests, expected) in [
        (vec![Answer::Reply(busy, ""), ok()], 2, None),
        (vec![Answer::Reply("503 Unavailable", ""), ok()], 2, None),
        (vec![Answer::Cut, ok()], 2, None),
        (vec![Answer::Reply("202 Accepted", "")], 1, None),
        (
            vec![Answer::Reply("500 Oops", "\n boom \nmore"), Answer::Reply("500 Oops", "bang")],
            2,
            Some("HTTP status 500"),
        ),
        (
            vec![Answer::Reply(much_later, "slow down"), ok()],
            1,
            Some("HTTP status 429; it asks to wait for 3600 s"),
        ),
        (
            vec![Answer::Reply(never, ""), ok()],
            1,
            Some("HTTP status 503; it asks to wait for 18446744073709551615 s"),
        ),
        (vec![Answer::Reply("404 Not Found", "no_service"), ok()], 1, Some("HTTP status 404")),
        (
            vec![Answer::Reply(elsewhere, ""), ok()],
            1,
            Some("HTTP status 302, a redirect, which is not followed"),
        ),
        (
            // Nothing of what is said, which may be any part of the secret, also cut or escaped.
            vec![Answer::Reply("403 Forbidden", "no s3cr3t-t0k, nor T0/B0"), ok()],
            1,
            Some("HTTP status 403"),
        ),
    ] {
        let server = Server::start(answers);
        let (arrival, delivery) = send(&notify(WEBHOOK), &server.url, PATIENT).await;
        match expected {
            None => assert_eq!(arrival, Arrival::Arrived),
            Some(expected) => assert_eq!(failed(&arrival), expected),
        }
        assert_eq!(server.requests().len(), n_requests, "{arrival:?}");
        assert!(!format!("{delivery:?}").contains("s3cr3t"), "{delivery:?}");
    }
}

#[tokio::test]
async fn whatever_hangs_is_given_up() {
    for (answer, expected) in
        [(Answer::Hang, "no answer within 0.3 s"), (Answer::Drip, "HTTP status 404")]
    {
        let server = Server::start([answer]);
        let (arrival, _) = send(&notify(WEBHOOK), &server.url, IMPATIENT).await;
        assert_eq!(failed(&arrival), expected);
        assert_eq!(server.requests().len(), 1);
    }
    // The second attempt as well, and then both are told.
    let server = Server::start([Answer::Reply("429 x\r\nRetry-After: 0", ""), Answer::Hang]);
    let (arrival, _) = send(&notify(WEBHOOK), &server.url, IMPATIENT).await;
    assert_eq!(failed(&arrival), "HTTP status 429, then no answer within 0.3 s");
    // Without a wish of the other side the pause is our own, which is too long here.
    let server = Server::start([Answer::Reply("500 x", "")]);
    let (arrival, _) = send(&notify(WEBHOOK), &server.url, IMPATIENT).await;
    assert_eq!(failed(&arrival), "HTTP status 500; it asks to wait for 30 s");
}

#[tokio::test]
async fn what_cannot_be_reached_says_why_and_not_where() {
    // Bound and given back: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}/services/s3cr3t-t0ken");
    let (arrival, delivery) = send(&notify(WEBHOOK), &url, PATIENT).await;
    assert!(failed(&arrival).contains("Connection refused"), "{arrival:?}");
    assert!(!format!("{delivery:?}").contains("s3cr3t"), "{delivery:?}");
    for url in ["s3cr3t-t0ken", "file:///s3cr3t-t0ken", "https:s3cr3t", ""] {
        let (arrival, _) = send(&notify(WEBHOOK), url, PATIENT).await;
        let why = failed(&arrival);
        assert!(!why.contains("s3cr3t"), "{why}");
        let expected = match url.strip_prefix("https") {
            // Even that names a host, which is looked up.
            Some(_) if cfg!(feature = "aws") => "error sending request",
            Some(_) => "no TLS",
            None => "its URL is none",
        };
        assert!(why.contains(expected), "{url}: {why}");
    }
}

#[cfg(not(feature = "aws"))]
#[tokio::test]
async fn a_build_without_tls_says_so() {
    let (arrival, _) = send(&notify(WEBHOOK), "https://127.0.0.1/s3cr3t-t0ken", PATIENT).await;
    assert_eq!(failed(&arrival), "this build has no TLS (it was built without the feature `aws`)");
}

#[test]
fn a_secret_is_found_where_it_was_put() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("webhook-url"), "https://example.com/s3cr3t\n").unwrap();
    std::fs::write(dir.path().join("empty"), "\n").unwrap();
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let env = |name: &str| match name {
        "URL" => Some("https://example.com/s3cr3t".into()),
        "EMPTY" => Some("".into()),
        "CREDENTIALS_DIRECTORY" => Some(dir.path().as_os_str().to_owned()),
        _ => None,
    };
    let expected = webhook_url(&UrlSource::Env("URL".to_owned()), env).unwrap();
    for source in [
        UrlSource::File(dir.path().join("webhook-url")),
        UrlSource::Credential("webhook-url".to_owned()),
    ] {
        assert_eq!(webhook_url(&source, env).as_ref(), Ok(&expected));
    }
    for (source, why) in [
        (UrlSource::Env("EMPTY".to_owned()), "the environment has no EMPTY"),
        (UrlSource::Credential("empty".to_owned()), "it is empty"),
        (UrlSource::Credential("missing".to_owned()), "No such file"),
        (UrlSource::File("/dev/null".into()), "cannot read `/dev/null`: it is no regular file"),
        (UrlSource::File(dir.path().to_owned()), "it is no regular file"),
        (UrlSource::File(fifo), "it is no regular file"),
        (UrlSource::File("/nowhere".into()), "cannot read `/nowhere`: No such file"),
    ] {
        let err = webhook_url(&source, env).unwrap_err();
        assert!(err.contains(why), "{err}");
    }
    let err = webhook_url(&UrlSource::Credential("webhook-url".to_owned()), |_| None).unwrap_err();
    assert!(err.contains("CREDENTIALS_DIRECTORY is not set"), "{err}");
}
