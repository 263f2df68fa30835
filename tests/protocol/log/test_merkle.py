"""Roots and proofs against the definition in RFC 6962 and against an implementation by others."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.log.trees import SIZES, hashed, leaves, naive_path, naive_proof, naive_root, read_from
from tests.support.tools import needs_module

from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.log.line import LARGEST_SIZE
from pfn.protocol.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    consistency_nodes,
    frontier_nodes,
    inclusion_nodes,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    read_frontier,
)

SMALL = 65
PAIRS = [(old, new) for new in SIZES if new < 300 for old in SIZES if old <= new]


def indexes(size: int) -> list[int]:
    return sorted({index for near in SIZES for index in (near, size - 1 - near) if 0 <= index < size})


def refused(call, *arguments) -> Code:
    with pytest.raises(SecurityError) as caught:
        call(*arguments)
    return caught.value.code


def test_the_roots_of_certificate_transparencys_own_test_leaves():
    given_leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    roots = {
        0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    frontier = Frontier()
    found = {0: frontier.root.hex()}
    for leaf in given_leaves:
        frontier = frontier.extend([leaf_hash(bytes.fromhex(leaf))])
        found[frontier.size] = frontier.root.hex()
    assert {size: found[size] for size in roots} == roots


@pytest.mark.parametrize("size", SIZES)
def test_roots_are_those_of_the_definition(size):
    tree = hashed(size)
    assert Frontier().extend(tree).root == naive_root(tree)
    assert read_frontier(size, read_from(tree)) == Frontier().extend(tree)
    assert len(frontier_nodes(size)) == size.bit_count()


@given(st.lists(st.integers(0, 40), max_size=8))
def test_a_frontier_grows_by_pieces_as_at_once(pieces):
    frontier, size = Frontier(), 0
    for piece in pieces:
        frontier = frontier.extend(hashed(size + piece)[size:])
        size += piece
    assert frontier == Frontier().extend(hashed(size))


def test_a_frontier_has_one_hash_for_each_bit():
    with pytest.raises(ValueError, match="has 2 hashes"):
        Frontier(3, (bytes(32),))


@pytest.mark.parametrize("size", [size for size in SIZES if size])
def test_inclusion_proofs_are_those_of_the_definition(size):
    tree = hashed(size)
    root = naive_root(tree)
    read = read_from(tree)
    for index in indexes(size):
        proof = prove_inclusion(index, size, read)
        assert list(proof) == naive_path(index, tree)
        check_inclusion(tree[index], index, size, proof, root)


def test_every_inclusion_of_every_small_tree_and_nothing_else():
    for size in range(1, SMALL):
        tree = hashed(size)
        root = naive_root(tree)
        for index in range(size):
            proof = naive_path(index, tree)
            check_inclusion(tree[index], index, size, proof, root)
            for other in {0, index - 1, index + 1, size - 1} - {index}:
                assert refused(check_inclusion, tree[index], other, size, proof, root) is Code.LOG_INCLUSION


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_consistency_proofs_are_those_of_the_definition(old, new):
    tree = hashed(new)
    proof = prove_consistency(old, new, read_from(tree))
    assert list(proof) == (naive_proof(old, tree) if old else [])
    check_consistency(old, naive_root(tree[:old]), new, naive_root(tree), proof)


def test_every_pair_of_small_trees():
    for new in range(SMALL):
        tree = hashed(new)
        for old in range(new + 1):
            proof = naive_proof(old, tree) if old else []
            check_consistency(old, naive_root(tree[:old]), new, naive_root(tree), proof)
            if 0 < old < new:
                forked = naive_root(hashed(old, "other"))
                assert refused(check_consistency, old, forked, new, naive_root(tree), proof) is Code.LOG_CONSISTENCY


def spoil(proof, how):
    """One proof for each way to spoil one: a hash changed, left out, put in, two swapped."""
    kind, at, bit = how
    spoiled = list(proof)
    if kind == "longer":
        spoiled.insert(at % (len(spoiled) + 1), spoiled[0] if spoiled else bytes(32))
    elif spoiled:
        at %= len(spoiled)
        if kind == "changed":
            flipped = bytearray(spoiled[at])
            flipped[bit // 8] ^= 1 << bit % 8
            spoiled[at] = bytes(flipped)
        elif kind == "shorter":
            del spoiled[at]
        else:
            spoiled[at], spoiled[-1] = spoiled[-1], spoiled[at]
    return spoiled


WAYS = st.tuples(st.sampled_from(["changed", "shorter", "longer", "swapped"]), st.integers(0, 100), st.integers(0, 255))


@given(st.sampled_from([size for size in SIZES if 1 < size < 300]), st.integers(0, 10**6), WAYS)
def test_a_spoiled_inclusion_proof_is_refused(size, index, how):
    tree = hashed(size)
    index %= size
    proof = naive_path(index, tree)
    if (spoiled := spoil(proof, how)) != proof:
        assert refused(check_inclusion, tree[index], index, size, spoiled, naive_root(tree)) is Code.LOG_INCLUSION
    assert refused(check_inclusion, bytes(32), index, size, proof, naive_root(tree)) is Code.LOG_INCLUSION


@given(st.sampled_from(PAIRS), WAYS)
def test_a_spoiled_consistency_proof_is_refused(pair, how):
    old, new = pair
    tree = hashed(new)
    proof = naive_proof(old, tree) if old else []
    old_root, root = naive_root(tree[:old]), naive_root(tree)
    if (spoiled := spoil(proof, how)) != proof:
        assert refused(check_consistency, old, old_root, new, root, spoiled) is Code.LOG_CONSISTENCY
    assert refused(check_consistency, old, bytes(32), new, root, proof) is Code.LOG_CONSISTENCY
    if old:
        assert refused(check_consistency, old, old_root, new, bytes(32), proof) is Code.LOG_CONSISTENCY


@pytest.mark.parametrize(
    ("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5), (0, LARGEST_SIZE + 1), (LARGEST_SIZE, LARGEST_SIZE)]
)
def test_what_is_outside_of_the_tree_is_refused(index, size):
    assert refused(check_inclusion, bytes(32), index, size, [], bytes(32)) is Code.LOG_INCLUSION


def test_the_largest_tree_there_can_be():
    proof = [bytes(32)] * 63
    assert refused(check_inclusion, bytes(32), LARGEST_SIZE // 2, LARGEST_SIZE, proof, bytes(32)) is Code.LOG_INCLUSION
    assert len(inclusion_nodes(0, LARGEST_SIZE)) > 63


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 1), (1, LARGEST_SIZE + 1)])
def test_a_tree_does_not_shrink(old, new):
    assert refused(check_consistency, old, bytes(32), new, bytes(32), []) is Code.LOG_CONSISTENCY


@pytest.mark.parametrize(
    ("old_root", "new", "new_root", "proof", "holds"),
    [
        (EMPTY_ROOT, 0, EMPTY_ROOT, [], True),
        (EMPTY_ROOT, 3, naive_root(hashed(3)), [], True),
        (EMPTY_ROOT, 0, bytes(32), [], False),
        (bytes(32), 0, bytes(32), [], False),
        (bytes(32), 3, naive_root(hashed(3)), [], False),
        (EMPTY_ROOT, 3, naive_root(hashed(3)), [hashed(1)[0]], False),
    ],
)
def test_what_follows_from_the_empty_tree(old_root, new, new_root, proof, holds):
    if holds:
        check_consistency(0, old_root, new, new_root, proof)
    else:
        assert refused(check_consistency, 0, old_root, new, new_root, proof) is Code.LOG_CONSISTENCY


def test_makers_refuse_what_is_not_there():
    for call in (inclusion_nodes, consistency_nodes):
        with pytest.raises(ValueError, match="a tree of 4 leaves"):
            call(5, 4)


def test_a_leaf_is_no_node():
    left, right = hashed(2)
    assert leaf_hash(left + right) != naive_root([left, right])


@needs_module("pymerkle")
def test_an_implementation_by_others_says_the_same():
    from pymerkle import InmemoryTree, InvalidProof, verify_consistency

    others = InmemoryTree(algorithm="sha256")
    for leaf in leaves(max(size for size in SIZES if size < 300)):
        others.append_entry(leaf)
    for old, new in [*random.Random(6962).sample(PAIRS, 60), (256, 257), (255, 256), (128, 129)]:
        tree = hashed(new)
        root, old_root = Frontier().extend(tree).root, Frontier().extend(tree[:old]).root
        assert (others.get_root(old), others.get_root(new)) == (old_root, root)
        if not old:
            continue
        path = others.prove_inclusion(old, new).path
        assert (path[0], *prove_inclusion(old - 1, new, read_from(tree))) == tuple(path)
        check_inclusion(path[0], old - 1, new, path[1:], root)
        # They write consistency in another form: so each judges the other's roots with its own proof.
        theirs, mine = others.prove_consistency(old, new), prove_consistency(old, new, read_from(tree))
        verify_consistency(old_root, root, theirs, prior_size=old, later_size=new)
        check_consistency(old, others.get_root(old), new, others.get_root(new), mine)
        forked = naive_root(hashed(old, "other"))
        with pytest.raises(InvalidProof):
            verify_consistency(forked, root, theirs, prior_size=old, later_size=new)
        assert refused(check_consistency, old, forked, new, root, mine) is Code.LOG_CONSISTENCY
