//! The service's HTTP: three pages to look at, and nothing to change.
//!
//! Bounded in every direction, so that nobody who can reach the port can do more than read: so many
//! connections, so long, with so large a request. Whoever comes when all places are taken waits in
//! the kernel's queue.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::config::Listen;
use crate::report::{metrics, page};
use crate::service::board::Board;
use crate::service::{Outlet, ServeError};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 32;
/// A request must have come by then.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
/// A connection ends by then, whatever its reader does.
const CONNECTION_MAX: Duration = Duration::from_secs(30);
/// Bytes and lines of a request's headers.
const HEADER_BYTES_MAX: usize = 8 * 1024;
const HEADER_LINES_MAX: usize = 64;
/// After the system refused a connection, for want of file descriptors, say.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

const TEXT: &str = "text/plain; charset=utf-8";

/// The open port.
pub(super) struct Server {
    listen: Listen,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Opens the port, and answers from now on with what is on `board`.
    pub(super) async fn start(
        listen: Listen,
        board: &Arc<Board>,
        outlet: &dyn Outlet,
    ) -> Result<Self, ServeError> {
        let Listen::At(address) = listen else { return Ok(Self { listen, task: None }) };
        let opened = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            io::Result::Ok((listener, address))
        };
        let (listener, address) =
            opened.await.map_err(|source| ServeError::Listen { listen, source })?;
        outlet.tell(&format!("listening on http://{address}/{}", warning(&address)));
        let task = tokio::spawn(accept(listener, Arc::clone(board)));
        Ok(Self { listen, task: Some(task) })
    }

    /// Closes the port; answers that are under way are given.
    pub(super) async fn close(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Returns where it was asked to listen.
    pub(super) fn listen(&self) -> Listen {
        self.listen
    }
}

fn warning(address: &SocketAddr) -> &'static str {
    if address.ip().is_loopback() { "" } else { "; whoever reaches it can read what is there" }
}

async fn accept(listener: TcpListener, board: Arc<Board>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let board = Arc::clone(&board);
                tokio::spawn(async move {
                    // A reader that is slow, or gone, is nobody's business but its own.
                    let _ = tokio::time::timeout(CONNECTION_MAX, converse(stream, board)).await;
                    drop(place);
                });
            }
            Err(err) => {
                tracing::debug!(error = &err as &dyn std::error::Error, "no connection accepted");
                pause().await;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "connections are of the real world, not of a cycle")]
async fn pause() {
    tokio::time::sleep(REFUSED_PAUSE).await;
}

async fn converse(stream: TcpStream, board: Arc<Board>) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &board);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_header_size(HEADER_BYTES_MAX)
        .max_headers(HEADER_LINES_MAX)
        .max_buf_size(2 * HEADER_BYTES_MAX)
        // One request each: whoever keeps a connection open keeps no place.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

/// Returns the answer to a request. To HEAD hyper sends it without its body.
fn answer(method: &Method, path: &str, board: &Board) -> Response<Full<Bytes>> {
    let is_known = matches!(path, "/" | "/healthz" | "/metrics");
    if !is_known {
        return response(
            StatusCode::NOT_FOUND,
            TEXT,
            "not found; there are /, /healthz and /metrics\n",
        );
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refusal = response(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "only GET and HEAD; nothing can be changed here\n",
        );
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/healthz" => {
            let (is_well, body) = board.health();
            let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            response(status, "application/json", format!("{body:#}\n"))
        }
        "/metrics" => response(StatusCode::OK, metrics::CONTENT_TYPE, board.metrics()),
        _ => response(StatusCode::OK, "text/html; charset=utf-8", board.page()),
    }
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value| drop(headers.insert(name, value));
    set(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Nothing may run or be fetched; only the page's own stylesheet applies.
    if let Ok(policy) = HeaderValue::from_str(&page::content_security_policy()) {
        set(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use hyper::{Method, StatusCode};

    use super::answer;
    use crate::run::{Present, WorldClock};
    use crate::service::board::Board;

    fn t(text: &str) -> DateTime<Utc> {
        format!("2026-11-20T{text}Z").parse().unwrap()
    }

    #[test]
    fn a_service_that_has_missed_its_wake_up_is_ill() {
        let clock = WorldClock::new(&Present::From(t("12:00:00")));
        let board = Board::new(clock, false);
        for (until, expected) in [
            ("13:00:00", StatusCode::OK),
            // A little late, as a busy machine may be.
            ("11:59:00", StatusCode::OK),
            ("10:59:00", StatusCode::SERVICE_UNAVAILABLE),
        ] {
            board.idle(t(until));
            assert_eq!(answer(&Method::GET, "/healthz", &board).status(), expected, "{until}");
            // What is there can be seen all the same.
            assert_eq!(answer(&Method::GET, "/", &board).status(), StatusCode::OK);
        }
        // A cycle has begun at last.
        board.begins();
        assert_eq!(answer(&Method::GET, "/healthz", &board).status(), StatusCode::OK);
    }
}
