//! The sandbox as an EC2 on loopback, for programs of others: HTTP in front of an [`Endpoint`].
//!
//! It breaks nothing; tests have a front of their own that does.

use std::convert::Infallible;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::cloud::Now;
use crate::cloud::sandbox::query::{Call, Endpoint, Reply};
use crate::cloud::sandbox::{Sandbox, SandboxError};

/// Bytes of a request; one with a thousand ids and fifty tags has far fewer.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// What answers on a port.
pub struct Server {
    sandbox: Arc<Sandbox>,
    endpoint: Endpoint,
    /// To where each request moves the account's clock.
    present: Now,
    /// The machine's clock, with which clients compare the date of a reply.
    machine: Now,
    /// Is told what could not be kept.
    complain: Box<dyn Fn(SandboxError) + Send + Sync>,
}

impl Server {
    /// Makes one for an account.
    pub fn new(
        sandbox: Sandbox,
        present: Now,
        machine: Now,
        complain: impl Fn(SandboxError) + Send + Sync + 'static,
    ) -> Self {
        let sandbox = Arc::new(sandbox);
        let endpoint = Endpoint::new(Arc::clone(&sandbox));
        Self { sandbox, endpoint, present, machine, complain: Box::new(complain) }
    }

    /// Answers whoever comes, for ever.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<Infallible> {
        let server = Arc::new(self);
        loop {
            let (stream, _) = listener.accept().await?;
            let server = Arc::clone(&server);
            // A client that is gone is nobody's business but its own.
            tokio::spawn(async move { server.converse(stream).await.ok() });
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream) -> hyper::Result<()> {
        let answer = service_fn(|request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        // The date is ours.
        let mut http = http1::Builder::new();
        http.auto_date_header(false).serve_connection(TokioIo::new(stream), answer).await
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let Ok(body) = Limited::new(body, REQUEST_BYTES_MAX).collect().await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let Ok(body) = String::from_utf8(body.to_bytes().to_vec()) else {
            return plain(StatusCode::BAD_REQUEST);
        };
        let authorization = header("authorization").unwrap_or_default();
        let call = Call::read(authorization, header("x-amz-target"), &body);
        self.sandbox.time().advance_to((self.present)());
        let reply = self.endpoint.answer(&call).await;
        let is_reading = ["Describe", "Get"].iter().any(|verb| call.operation.starts_with(verb));
        if !is_reading && let Err(err) = self.sandbox.save() {
            (self.complain)(err);
        }
        self.response(reply)
    }

    /// Writes a reply, with a date that makes clients find the clocks as far apart as the sandbox has
    /// it: they compare it with the machine's clock, whatever `--now` says.
    fn response(&self, reply: Reply) -> Response<Full<Bytes>> {
        let Reply { status, content_type, body } = reply;
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        let date = self.sandbox.settings().clock_skew.map(|skew| date((self.machine)(), skew));
        if let Some(date) = date.and_then(|date| HeaderValue::from_str(&date).ok()) {
            headers.insert(header::DATE, date);
        }
        response
    }
}

/// Returns the instant of a clock that is so far behind, as HTTP has it (RFC 9110, section 5.6.7).
pub fn date(machine: DateTime<Utc>, skew: TimeDelta) -> String {
    (machine - skew).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
