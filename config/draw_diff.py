"""The difference of two topologies as a picture: what is made, made anew, bound anew, or extra.

Everything that either side has is drawn; what stays as it is, dim.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from leveret.config.definitions import canonical_json
from leveret.config.diff import diff
from leveret.config.draw_graph import Drawing, HostDrawing, label_of
from leveret.config.draw_parts import is_too_large
from leveret.config.draw_sketch import binding_label, drawing_of
from leveret.config.model import BindingDeclaration, Topology, VirtualHost

if TYPE_CHECKING:
    from collections.abc import Collection

    from leveret.config.diff import Action
    from leveret.config.draw_graph import Arrow, BoxId

__all__ = ["difference_drawing"]

#: What tells a binding from the others of its virtual host.
_Binding = tuple[str, str, str, str, str]


def difference_drawing(wanted: Topology, present: Topology) -> Drawing:
    """Return the picture of what makes `present` into `wanted`.

    Of what is too large for a picture, only what changes is in it, with its neighbours.
    """
    drawing = drawing_of(_both(wanted, present))
    found = diff(wanted, present)
    drawing.difference = True
    drawing.route = f"what makes {present.file} into {wanted.file}"
    # (virtual host, kind, name) -> what is done
    actions: dict[tuple[str | None, str, str], Action] = {
        (change.virtual_host, change.kind, change.name): change.action for change in found.changes
    }
    for host in drawing.hosts:
        whole = actions.get((None, "virtual host", host.name))
        for box in host.boxes.values():
            action = actions.get((host.name, box.kind, box.name))
            box.action = "extra" if whole == "extra" else action
            box.lit = None if box.action else False
            box.reached = True
        _mark_arrows(host, _bindings(wanted, host.name), _bindings(present, host.name))
    if is_too_large(drawing):
        for host in drawing.hosts:
            _keep_changes(host)
        drawing.hosts = [host for host in drawing.hosts if host.boxes]
    return drawing


def _both(wanted: Topology, present: Topology) -> Topology:
    """Return a topology with all that either of two has; the wanted side counts."""
    both = Topology(wanted.file)
    for name in dict.fromkeys((*wanted.virtual_hosts, *present.virtual_hosts)):
        new = wanted.virtual_hosts.get(name, VirtualHost(name))
        old = present.virtual_hosts.get(name, VirtualHost(name))
        bindings = _bindings(present, name) | _bindings(wanted, name)
        both.virtual_hosts[name] = VirtualHost(
            name,
            {**old.exchanges, **new.exchanges},
            {**old.queues, **new.queues},
            list(bindings.values()),
            {**old.policies, **new.policies},
        )
    return both


def _bindings(topology: Topology, host: str) -> dict[_Binding, BindingDeclaration]:
    declared = topology.virtual_hosts.get(host)
    return {
        (
            binding.source,
            binding.destination_type,
            binding.destination,
            binding.routing_key,
            canonical_json(binding.arguments),
        ): binding
        for binding in (declared.bindings if declared else ())
    }


def _mark_arrows(
    host: HostDrawing,
    wanted: dict[_Binding, BindingDeclaration],
    present: dict[_Binding, BindingDeclaration],
) -> None:
    signs: defaultdict[tuple[BoxId, BoxId], list[tuple[str, BindingDeclaration]]]
    signs = defaultdict(list)
    for key, binding in (wanted | present).items():
        sign = "" if key in wanted and key in present else "+ " if key in wanted else "– "
        source: BoxId = "exchange", binding.source
        signs[source, (binding.destination_type, binding.destination)].append((sign, binding))
    for arrow in host.arrows:
        arrow.reached = True
        arrow.lit = False
        ends = {host.boxes[arrow.source].action, host.boxes[arrow.target].action}
        if arrow.kind != "binding":
            _mark(arrow, _first(ends, "create", "extra"))
            continue
        signed = signs[arrow.source, arrow.target]
        given = {sign for sign, _ in signed}
        _mark(arrow, _action(given) or _first(ends, "recreate"))
        if given != {""}:
            type_ = host.boxes[arrow.source].subtitle
            changed_first = sorted(signed, key=lambda item: item[0] == "")
            mixed = len(given) > 1
            arrow.label = label_of([
                f"{sign if mixed else ''}{text}"
                for sign, binding in changed_first
                if (text := binding_label(binding, type_))
            ])  # fmt: skip


def _mark(arrow: Arrow, action: Action | None) -> None:
    if action is not None:
        arrow.action, arrow.lit = action, None


def _first(actions: Collection[Action | None], *wanted: Action) -> Action | None:
    return next((action for action in wanted if action in actions), None)


def _action(signs: set[str]) -> Action | None:
    """Return what is done to the bindings of an arrow."""
    if signs == {"+ "}:
        return "create"
    if signs == {"– "}:
        return "extra"
    return None if signs == {""} else "replace"


def _keep_changes(host: HostDrawing) -> None:
    """Take out what does not change and is no end of what does."""
    host.arrows = [arrow for arrow in host.arrows if arrow.action is not None]
    ends = {end for arrow in host.arrows for end in (arrow.source, arrow.target)}
    host.boxes = {
        id_: box for id_, box in host.boxes.items() if box.action is not None or id_ in ends
    }
