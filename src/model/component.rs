//! Components: the parts of a host below which its finer series hang.
//!
//! The tree shows a component as one name (`hwthread12`), lines and PromQL give its kind and its id apart. This file
//! owns the way there and back; the way back from a joined name, as the reference's files hold it, has to guess, and
//! the order of its guesses is part of the design (section 2).

use std::fmt;

/// Components nest at most this deep below a host: `type` and `stype`.
pub const COMPONENT_DEPTH_MAX: usize = 2;

/// A part of a host: what the tags `type` and `type-id`, or `stype` and `stype-id`, name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Component {
    /// `hwthread`, `socket`, `network` …; may be empty when only an id was sent.
    pub kind: Box<str>,
    /// `12`, `00000000:07:00.0`, `eth0` …; may be empty.
    pub id: Box<str>,
}

impl Component {
    /// A component of this kind and id.
    pub fn new(kind: &str, id: &str) -> Self {
        Component { kind: kind.into(), id: id.into() }
    }

    /// Whether the joined name is `name`, without building it.
    pub fn is_named(&self, name: &str) -> bool {
        name.len() == self.kind.len() + self.id.len() && name.starts_with(&*self.kind) && name.ends_with(&*self.id)
    }
}

/// The joined name, as the tree, REST and the reference's files show it.
impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        f.write_str(&self.id)
    }
}

/// The kinds of components that cc-metric-collector names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The host itself.
    Node,
    /// A CPU socket.
    Socket,
    /// A die of a socket.
    Die,
    /// A NUMA domain.
    MemoryDomain,
    /// A last-level cache.
    Llc,
    /// A core.
    Core,
    /// A hardware thread; `cpu` is an alias where scopes are named.
    Hwthread,
    /// A GPU or another accelerator.
    Accelerator,
}

impl Scope {
    /// All of them, from the host downwards.
    pub const ALL: [Scope; 8] = [
        Scope::Node,
        Scope::Socket,
        Scope::Die,
        Scope::MemoryDomain,
        Scope::Llc,
        Scope::Core,
        Scope::Hwthread,
        Scope::Accelerator,
    ];

    /// The name as lines spell it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Node => "node",
            Scope::Socket => "socket",
            Scope::Die => "die",
            Scope::MemoryDomain => "memoryDomain",
            Scope::Llc => "llc",
            Scope::Core => "core",
            Scope::Hwthread => "hwthread",
            Scope::Accelerator => "accelerator",
        }
    }

    /// The scope of a name; `cpu` is `hwthread`.
    pub fn parse(name: &str) -> Option<Scope> {
        if name == "cpu" {
            return Some(Scope::Hwthread);
        }
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// Device kinds that are known without having been seen.
const DEVICE_KINDS: [&str; 4] = ["network", "disk", "filesystem", "infiniband"];

/// The kinds by which joined names are taken apart: scopes, the usual devices, and what a state file lists.
#[derive(Debug, Clone, Default)]
pub struct KnownKinds {
    more: Vec<Box<str>>,
}

impl KnownKinds {
    /// Adds a kind that was seen.
    pub fn learn(&mut self, kind: &str) {
        let known = kind.is_empty() || self.more.iter().any(|k| &**k == kind) || Self::builtin().any(|k| k == kind);
        if !known {
            self.more.push(kind.into());
        }
    }

    /// The kinds that were learnt, beside the built-in ones.
    pub fn learnt(&self) -> impl Iterator<Item = &str> {
        self.more.iter().map(|kind| &**kind)
    }

    fn builtin<'a>() -> impl Iterator<Item = &'a str> {
        let scopes = Scope::ALL.into_iter().map(|scope| -> &'a str { scope.name() });
        scopes.chain(["cpu"]).chain(DEVICE_KINDS)
    }

    /// Takes a joined name apart: the longest known kind that is a prefix, else the part before the first digit, else
    /// the whole name is the kind.
    pub fn split(&self, name: &str) -> Component {
        let known = Self::builtin().chain(self.learnt()).filter(|kind| name.starts_with(kind)).map(str::len).max();
        let at = known.or_else(|| name.find(|c: char| c.is_ascii_digit())).unwrap_or(name.len());
        Component::new(&name[..at], &name[at..])
    }

    /// Whether a component directly below a host is a device of it (sent with `type=node`), judged by its kind.
    pub fn is_device(&self, kind: &str) -> bool {
        Scope::parse(kind).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_names_come_apart() {
        let mut kinds = KnownKinds::default();
        for (name, kind, id) in [
            ("hwthread12", "hwthread", "12"),
            ("accelerator00000000:07:00.0", "accelerator", "00000000:07:00.0"),
            ("networketh0", "network", "eth0"),
            ("cpu3", "cpu", "3"),
            ("nvme0n1", "nvme", "0n1"),
            ("whole", "whole", ""),
            ("7", "", "7"),
        ] {
            assert_eq!(kinds.split(name), Component::new(kind, id), "{name}");
        }
        kinds.learn("networkport");
        assert_eq!(kinds.split("networkportib0"), Component::new("networkport", "ib0"), "the longest wins");
    }

    #[test]
    fn a_name_is_recognised_without_being_joined() {
        let thread = Component::new("hwthread", "12");
        assert!(thread.is_named("hwthread12"));
        assert!(!thread.is_named("hwthread1"));
        assert!(!thread.is_named("hwthread112"));
    }
}
