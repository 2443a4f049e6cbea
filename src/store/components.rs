//! The components of one host, as a flat tree.
//!
//! Invariants: component 0 is the host; a parent's id is smaller than its children's; ids are never reused; `by_name`
//! holds every component but the host, sorted by parent and joined name, so the children of a component lie side by
//! side.

use crate::model::{Component, ComponentId};

/// A component with its place in the tree.
#[derive(Debug)]
pub(super) struct Node {
    /// Kind and id joined.
    name: Box<str>,
    kind_bytes: u16,
    pub(super) parent: ComponentId,
    /// Sent with `type=node` and a `stype`.
    pub(super) is_device: bool,
    /// Below this component nothing before this second is answered.
    pub(super) horizon_secs: i64,
}

impl Node {
    /// The joined name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Kind and id apart.
    pub(super) fn component(&self) -> Component {
        let (kind, id) = self.name.split_at(usize::from(self.kind_bytes));
        Component::new(kind, id)
    }
}

/// The components of a host.
#[derive(Debug)]
pub(super) struct Components {
    nodes: Vec<Node>,
    by_name: Vec<ComponentId>,
}

impl Default for Components {
    fn default() -> Self {
        let host = Node {
            name: "".into(),
            kind_bytes: 0,
            parent: ComponentId::HOST,
            is_device: false,
            horizon_secs: i64::MIN,
        };
        Components { nodes: vec![host], by_name: Vec::new() }
    }
}

impl Components {
    /// The node of an id that this tree gave out.
    pub(super) fn node(&self, id: ComponentId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// As [`node`](Self::node), to change it.
    pub(super) fn node_mut(&mut self, id: ComponentId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// How many there are, the host included.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Finds a child by its joined name.
    pub(super) fn child(&self, parent: ComponentId, name: &str) -> Option<ComponentId> {
        self.position(parent, name).ok().map(|at| self.by_name[at])
    }

    /// The children of a component, by name.
    pub(super) fn children(&self, parent: ComponentId) -> &[ComponentId] {
        let begin = self.by_name.partition_point(|&id| self.node(id).parent < parent);
        let end = self.by_name.partition_point(|&id| self.node(id).parent <= parent);
        &self.by_name[begin..end]
    }

    /// Finds or adds a child. Of two components with one joined name the first seen gives kind and id.
    pub(super) fn insert(&mut self, parent: ComponentId, component: &Component, is_device: bool) -> ComponentId {
        let name = component.to_string();
        match self.position(parent, &name) {
            Ok(at) => self.by_name[at],
            Err(at) => {
                let id = ComponentId(self.nodes.len() as u32);
                self.nodes.push(Node {
                    name: name.into(),
                    // Names are limited to far less than 64 KiB before they come here.
                    kind_bytes: component.kind.len() as u16,
                    parent,
                    is_device,
                    horizon_secs: i64::MIN,
                });
                self.by_name.insert(at, id);
                id
            }
        }
    }

    /// The latest horizon on the way from a component up to its host.
    pub(super) fn horizon(&self, mut id: ComponentId) -> i64 {
        let mut horizon = self.node(id).horizon_secs;
        while id != ComponentId::HOST {
            id = self.node(id).parent;
            horizon = horizon.max(self.node(id).horizon_secs);
        }
        horizon
    }

    /// Whether `id` is `ancestor` or lies below it.
    pub(super) fn is_below(&self, mut id: ComponentId, ancestor: ComponentId) -> bool {
        // Parents have smaller ids, so this ends at the latest at the host.
        while id > ancestor {
            id = self.node(id).parent;
        }
        id == ancestor
    }

    /// Whether a component is a device of the host, or a part of one.
    pub(super) fn is_device(&self, mut id: ComponentId) -> bool {
        while id != ComponentId::HOST {
            if self.node(id).is_device {
                return true;
            }
            id = self.node(id).parent;
        }
        false
    }

    /// Whether a component hangs below another one that is not the host.
    pub(super) fn nests(&self) -> bool {
        self.nodes.iter().any(|node| node.parent != ComponentId::HOST)
    }

    /// Bytes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        let names: usize = self.nodes.iter().map(|node| node.name.len()).sum();
        names + self.nodes.capacity() * size_of::<Node>() + self.by_name.capacity() * size_of::<ComponentId>()
    }

    fn position(&self, parent: ComponentId, name: &str) -> Result<usize, usize> {
        self.by_name.binary_search_by(|&id| {
            let node = self.node(id);
            node.parent.cmp(&parent).then_with(|| (*node.name).cmp(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_found_and_listed() {
        let mut tree = Components::default();
        let socket = tree.insert(ComponentId::HOST, &Component::new("socket", "0"), false);
        let domain = tree.insert(socket, &Component::new("memoryDomain", "1"), false);
        let device = tree.insert(ComponentId::HOST, &Component::new("network", "eth0"), true);
        assert_eq!(tree.insert(ComponentId::HOST, &Component::new("socket", "0"), false), socket);
        assert_eq!(tree.child(ComponentId::HOST, "networketh0"), Some(device));
        assert_eq!(tree.child(socket, "networketh0"), None);
        assert_eq!(tree.children(ComponentId::HOST), &[device, socket]);
        assert_eq!(tree.children(socket), &[domain]);
        assert!(tree.is_below(domain, socket) && tree.is_below(domain, ComponentId::HOST));
        assert!(!tree.is_below(domain, device) && !tree.is_below(socket, domain));
        assert!(tree.is_device(device) && !tree.is_device(domain));
        assert_eq!(tree.node(domain).component(), Component::new("memoryDomain", "1"));
        tree.node_mut(socket).horizon_secs = 7;
        assert_eq!((tree.horizon(domain), tree.horizon(device)), (7, i64::MIN));
    }
}
