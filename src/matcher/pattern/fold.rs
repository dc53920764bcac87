//! Hosts are compared in lower case on both sides: the canonical request's host is lower-case already, and here the part of a
//! pattern that stands for the host is made to accept it.
//!
//! The host is what lies between the first literal `://` and the next literal `/`, wherever in the tree they are.

use std::sync::Arc;

use super::ast::Node;
use super::set::lower;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// How much of `://` was just seen.
    Scheme(usize),
    Host,
    Path,
}

pub(in crate::matcher) fn lower_case_host(root: &mut Node) {
    walk(root, Place::Scheme(0));
}

fn walk(node: &mut Node, place: Place) -> Place {
    match (node, place) {
        (_, Place::Path) => Place::Path,
        (Node::Char(c), Place::Scheme(seen)) => match (seen, *c) {
            (0, ':') | (1, '/') => Place::Scheme(seen + 1),
            (2, '/') => Place::Host,
            (_, ':') => Place::Scheme(1),
            _ => Place::Scheme(0),
        },
        (Node::Char('/'), Place::Host) => Place::Path,
        (Node::Char(c), Place::Host) => {
            *c = lower(*c);
            place
        }
        (Node::Set(set), Place::Host) => {
            // A set that could be a piece of the path is left alone.
            if !set.contains('/') && !set.is_negative() && !set.is_lower_case() {
                *set = Arc::new(set.with_lower_case());
            }
            place
        }
        (Node::Set(_), Place::Scheme(_)) => Place::Scheme(0),
        (Node::Concat(nodes), _) => nodes
            .iter_mut()
            .fold(place, |place, node| walk(node, place)),
        (Node::Alternate(nodes), _) => join(
            nodes
                .iter_mut()
                .map(|node| walk(node, place))
                .collect::<Vec<_>>(),
        ),
        (Node::Capture(capture), _) => walk(&mut capture.body, place),
        (Node::Atomic(body), _) => walk(body, place),
        (Node::Loop { body, min, .. }, _) => {
            let after = walk(body, place);
            if *min > 0 {
                after
            } else {
                join([place, after])
            }
        }
        (
            Node::Look {
                ahead: true, body, ..
            },
            _,
        ) => {
            walk(body, place);
            place
        }
        (Node::IfMatched { yes, no, .. }, _) => join([walk(yes, place), walk(no, place)]),
        (Node::IfAhead { condition, yes, no }, _) => {
            walk(condition, place);
            join([walk(yes, place), walk(no, place)])
        }
        (Node::Empty | Node::Assert(_) | Node::Look { .. } | Node::Back { .. }, _) => place,
    }
}

/// Where several ways lead: the host if one of them does, so that what follows is compared like a host.
fn join(places: impl IntoIterator<Item = Place>) -> Place {
    let mut places = places.into_iter();
    let first = places.next().unwrap_or(Place::Path);
    places.fold(first, |one, other| match (one, other) {
        (one, other) if one == other => one,
        (Place::Host, _) | (_, Place::Host) => Place::Host,
        (Place::Scheme(_), _) | (_, Place::Scheme(_)) => Place::Scheme(0),
        _ => Place::Path,
    })
}
