use std::{io, time::Duration, time::Instant};

use tokio::time::sleep;

use super::{
    RedisOptions, RedisServer, START_LIMIT, StartError, server::free_port, source::Source, wire,
};

/// How the 16,384 slots are dealt out.
const SLOTS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

/// A cluster of three masters without replicas. The slots of those that live stay usable when one is
/// killed.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes and waits until each knows the whole cluster.
    ///
    /// # Errors
    ///
    /// [`StartError`]; a Docker engine alone does not do.
    pub async fn start() -> Result<Self, StartError> {
        let source = tokio::task::spawn_blocking(Source::find_program)
            .await
            .map_err(io::Error::other)??;
        let mut nodes = Vec::with_capacity(SLOTS.len());
        let mut bus_ports = Vec::with_capacity(SLOTS.len());
        for _ in SLOTS {
            let bus_port = free_port()?;
            let options = RedisOptions::new()
                .setting("cluster-enabled", "yes")
                .setting("cluster-port", &bus_port.to_string())
                .setting("cluster-node-timeout", "1000")
                .setting("cluster-require-full-coverage", "no");
            nodes.push(RedisServer::start_from(source.clone(), options).await?);
            bus_ports.push(bus_port);
        }
        let cluster = Self { nodes };
        cluster.join(&bus_ports).await?;
        Ok(cluster)
    }

    /// A cluster of one node, which has all slots and says that it is at this port.
    ///
    /// # Errors
    ///
    /// [`StartError`]; a Docker engine alone does not do.
    pub async fn start_one(announced_port: Option<u16>) -> Result<RedisServer, StartError> {
        Self::start_one_with(RedisOptions::new(), announced_port).await
    }

    /// The same with settings of one's own. With `tls-port` among them, the port that it announces is that.
    ///
    /// # Errors
    ///
    /// [`StartError`]; a Docker engine alone does not do.
    pub async fn start_one_with(
        options: RedisOptions,
        announced_port: Option<u16>,
    ) -> Result<RedisServer, StartError> {
        let source = tokio::task::spawn_blocking(Source::find_program)
            .await
            .map_err(io::Error::other)??;
        let mut options = options
            .setting("cluster-enabled", "yes")
            .setting("cluster-port", &free_port()?.to_string());
        if let Some(port) = announced_port {
            let name = if options.sets("tls-port") {
                "cluster-announce-tls-port"
            } else {
                "cluster-announce-port"
            };
            options = options
                .setting("cluster-announce-ip", "127.0.0.1")
                .setting(name, &port.to_string());
        }
        let node = RedisServer::start_from(source, options).await?;
        command(node.port(), "CLUSTER ADDSLOTSRANGE 0 16383").await?;
        let started = Instant::now();
        while !wire::send(node.port(), "CLUSTER INFO")
            .await?
            .contains("cluster_state:ok")
        {
            if started.elapsed() > START_LIMIT {
                return Err(StartError::NotStarted("no cluster".to_owned()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(node)
    }

    async fn join(&self, bus_ports: &[u16]) -> Result<(), StartError> {
        let first = self.nodes[0].port();
        for (index, (from, to)) in SLOTS.into_iter().enumerate() {
            let port = self.nodes[index].port();
            command(port, &format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1)).await?;
            command(port, &format!("CLUSTER ADDSLOTSRANGE {from} {to}")).await?;
            let bus_port = bus_ports[index];
            command(first, &format!("CLUSTER MEET 127.0.0.1 {port} {bus_port}")).await?;
        }
        let started = Instant::now();
        for node in &self.nodes {
            while !knows_all(node.port()).await? {
                if started.elapsed() > START_LIMIT {
                    return Err(StartError::NotStarted(
                        "the nodes did not find each other".to_owned(),
                    ));
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// The URLs of the nodes.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// Kills a node, `0..3`. Its third of the slots is unusable from then on.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn kill_master(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Stops a node where it stands, `0..3`.
    ///
    /// # Errors
    ///
    /// If it does not run, or the signal cannot be sent.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn pause_master(&self, node: usize) -> io::Result<()> {
        self.nodes[node].pause()
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    ///
    /// If it does not run, or the signal cannot be sent.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn resume_master(&self, node: usize) -> io::Result<()> {
        self.nodes[node].resume()
    }
}

async fn command(port: u16, command: &str) -> Result<(), StartError> {
    let reply = wire::send(port, command).await?;
    if reply.starts_with("+OK") {
        return Ok(());
    }
    Err(StartError::NotStarted(format!(
        "{command}: {}",
        reply.trim()
    )))
}

async fn knows_all(port: u16) -> io::Result<bool> {
    let state = wire::send(port, "CLUSTER INFO").await?;
    Ok([
        "cluster_state:ok",
        "cluster_slots_ok:16384",
        "cluster_size:3",
    ]
    .iter()
    .all(|line| state.contains(line)))
}
