//! Machines of a store as network namespaces on one switch, so that a path between two of them can really be cut: in one
//! direction or both, silently, as a pulled cable or a deaf switch does it. Needs root and `ip` (iproute2).

use std::net::Ipv4Addr;
use std::process::Command;

/// A hardware address that nobody has: frames to it go nowhere, and the sender isn't told.
const NOBODY: &str = "02:00:00:00:00:99";

/// The hub's place, which is this process's own namespace.
pub const HUB: usize = 0;

/// A switch, the hub's cable and the machines at it. Gone with this value.
pub struct Wires {
    tag: String,
    net: u8,
    machines: usize,
}

impl Wires {
    /// Lays a switch with `machines` machines, whose places are 1 to `machines`.
    ///
    /// # Errors
    /// What `ip` said, also where this isn't root.
    pub fn lay(machines: u8) -> Result<Self, String> {
        let process = std::process::id();
        let net = u8::try_from(process % 250).expect("below 250") + 1;
        let wires = Self { tag: format!("tp{}", process % 100_000), net, machines: machines.into() };
        let (switch, cable) = (wires.switch(), wires.cable(HUB));
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "sw", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "sw", "up"])?;
        ip(&["link", "add", &cable, "type", "veth", "peer", "name", "p0", "netns", &switch])?;
        ip(&["-n", &switch, "link", "set", "p0", "master", "sw", "up"])?;
        ip(&["addr", "add", &format!("{}/24", wires.address(HUB)), "dev", &cable])?;
        ip(&["link", "set", &cable, "up"])?;
        (1..=wires.machines).try_for_each(|place| wires.machine(place))?;
        Ok(wires)
    }

    fn machine(&self, place: usize) -> Result<(), String> {
        let (name, switch, port) = (self.namespace(place), self.switch(), format!("p{place}"));
        ip(&["netns", "add", &name])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        ip(&["-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "lan", "netns", &name])?;
        ip(&["-n", &switch, "link", "set", &port, "master", "sw", "up"])?;
        ip(&["-n", &name, "addr", "add", &format!("{}/24", self.address(place)), "dev", "lan"])?;
        ip(&["-n", &name, "link", "set", "lan", "up"])?;
        // The till's own cable, which is never cut: who stands before a till needs no network to ask it.
        let cable = self.cable(place);
        ip(&["link", "add", &cable, "type", "veth", "peer", "name", "till", "netns", &name])?;
        let [.., side] = self.till_side(place).octets();
        let here = Ipv4Addr::new(10, 78, self.net, side - 1);
        ip(&["addr", "add", &format!("{here}/30"), "dev", &cable])?;
        ip(&["-n", &name, "addr", "add", &format!("{}/30", self.till_side(place)), "dev", "till"])?;
        ip(&["link", "set", &cable, "up"])?;
        ip(&["-n", &name, "link", "set", "till", "up"])
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.tag)
    }

    fn cable(&self, place: usize) -> String {
        format!("{}-{place}", self.tag)
    }

    /// The namespace of a machine.
    #[must_use]
    pub fn namespace(&self, place: usize) -> String {
        format!("{}-m{place}", self.tag)
    }

    /// Where a place is reached through the switch.
    #[must_use]
    pub fn address(&self, place: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.net, 1 + u8::try_from(place).expect("few machines"))
    }

    /// Where a machine is reached by its till's own cable.
    #[must_use]
    pub fn till_side(&self, place: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 78, self.net, 4 * u8::try_from(place).expect("few machines") + 2)
    }

    /// From now on nothing that `from` sends reaches `to`, and neither is told.
    ///
    /// # Panics
    /// Where `ip` refuses.
    pub fn cut(&self, from: usize, to: usize) {
        let address = self.address(to).to_string();
        let entry = ["neigh", "replace", &address, "lladdr", NOBODY, "nud", "permanent", "dev"];
        self.at(from, &entry).expect("a path can be cut");
    }

    /// Every path is whole again.
    pub fn heal(&self) {
        for from in 0..=self.machines {
            for to in (0..=self.machines).filter(|to| *to != from) {
                let address = self.address(to).to_string();
                // What was never cut has no entry, or one that is learnt again at once.
                let _ = self.at(from, &["neigh", "del", &address, "dev"]);
            }
        }
    }

    fn at(&self, place: usize, command: &[&str]) -> Result<(), String> {
        let name = self.namespace(place);
        let cable = self.cable(HUB);
        let mut words = if place == HUB { Vec::new() } else { vec!["-n", name.as_str()] };
        words.extend(command);
        words.push(if place == HUB { &cable } else { "lan" });
        ip(&words)
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        for place in 1..=self.machines {
            let _ = ip(&["netns", "del", &self.namespace(place)]);
        }
        let _ = ip(&["netns", "del", &self.switch()]);
        let _ = ip(&["link", "del", &self.cable(HUB)]);
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    let done = Command::new("ip").args(words).output().map_err(|e| format!("ip: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
}
