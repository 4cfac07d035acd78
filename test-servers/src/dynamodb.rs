//! DynamoDB: the server named by `DYNAMODB_ENDPOINT`, else dynoxide in this process.

use std::{env, fmt, io, net::SocketAddr};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region},
};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use dynoxide::{Database, server};
use tokio::{net::TcpListener, runtime::Runtime};

/// Names a server to use in place of one in this process, e.g. `http://localhost:8000`.
pub const ENDPOINT_VARIABLE: &str = "DYNAMODB_ENDPOINT";

/// The region that servers on one's own machine are asked as.
pub const REGION: &str = "us-east-1";

/// The access key id that servers on one's own machine are asked with: they take any.
pub const ACCESS_KEY_ID: &str = "test";

/// The secret access key that goes with it.
pub const SECRET_ACCESS_KEY: &str = "test";

/// A DynamoDB server. One in this process ends when this is dropped.
///
/// Shown with `{}`, it says in one line which server it is.
pub struct DynamoDbServer {
    endpoint: String,
    place: Place,
}

enum Place {
    Elsewhere,
    InProcess {
        address: SocketAddr,
        // Kept while the server is stopped: a restart finds the tables as they were.
        database: Database,
        running: Option<Running>,
    },
}

impl DynamoDbServer {
    /// The server that `DYNAMODB_ENDPOINT` names, else one in this process.
    ///
    /// # Errors
    ///
    /// If no server can be started in this process.
    pub async fn start() -> io::Result<Self> {
        match env::var(ENDPOINT_VARIABLE) {
            Ok(endpoint) if !endpoint.is_empty() => Ok(Self {
                endpoint,
                place: Place::Elsewhere,
            }),
            Ok(_) | Err(_) => Self::start_in_process().await,
        }
    }

    /// A server in this process, with no tables, on a random port of the loopback interface.
    ///
    /// It deletes no expired items by itself.
    ///
    /// # Errors
    ///
    /// If its database, thread or listener cannot be made.
    pub async fn start_in_process() -> io::Result<Self> {
        let database = Database::memory().map_err(io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let running = Running::start(listener, database.clone())?;
        Ok(Self {
            endpoint: format!("http://{address}"),
            place: Place::InProcess {
                address,
                database,
                running: Some(running),
            },
        })
    }

    /// The URL of the server.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client for the server.
    #[must_use]
    pub fn client(&self) -> Client {
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "static");
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::from_static(REGION))
            .credentials_provider(credentials)
            .http_client(HttpClientBuilder::new().build_http());
        Client::from_conf(config.build())
    }

    /// Breaks off every connection and refuses new ones, until [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// `Unsupported` for a server that is not this process's own.
    pub fn stop(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::Elsewhere => Err(not_ours()),
            Place::InProcess { running, .. } => {
                running.take();
                Ok(())
            }
        }
    }

    /// Stops the server if it runs, and starts it on the same port with the same tables.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a server that is not this process's own, and whatever keeps the port from
    /// being listened on.
    pub async fn restart(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::Elsewhere => Err(not_ours()),
            Place::InProcess {
                address,
                database,
                running,
            } => {
                running.take();
                let listener = TcpListener::bind(*address).await?;
                *running = Some(Running::start(listener, database.clone())?);
                Ok(())
            }
        }
    }
}

fn not_ours() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("the server named by {ENDPOINT_VARIABLE} is not ours to stop"),
    )
}

impl fmt::Display for DynamoDbServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = &self.endpoint;
        match self.place {
            Place::Elsewhere => write!(f, "DynamoDB at {endpoint}, named by {ENDPOINT_VARIABLE}"),
            Place::InProcess { .. } => {
                write!(f, "DynamoDB by dynoxide in this process, {endpoint}")
            }
        }
    }
}

impl fmt::Debug for DynamoDbServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DynamoDbServer({self})")
    }
}

/// The runtime that a server runs on: its own, because ending a runtime is what breaks off the
/// connections too, and because dynoxide works on SQLite in place, which would hold up the tests.
struct Running(Option<Runtime>);

impl Running {
    fn start(listener: TcpListener, database: Database) -> io::Result<Self> {
        let listener = listener.into_std()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("dynoxide")
            .enable_all()
            .build()?;
        // Registered with the runtime that is to serve it.
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(server::serve_with_shutdown(
            listener,
            database,
            std::future::pending(),
        ));
        Ok(Self(Some(runtime)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Dropping a runtime in async code panics; this does not wait.
            runtime.shutdown_background();
        }
    }
}
