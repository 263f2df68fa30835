// Says what Go's own packages (golang.org/x/mod/sumdb) make of our notes, trees and tiles, and makes some of its own.
// JSON in, JSON out; bytes are base64. Cosignatures are not in those packages: they are written here from the
// specification, on crypto/ed25519.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type asked struct {
	Notes []struct {
		Note       []byte
		Keys       []string
		Witness    string
		WitnessKey []byte
	}
	Sign []struct {
		Name, Witness     string
		Seed, WitnessSeed []byte
		Text              string
		Time              uint64
	}
	Names      []string
	Leaves     [][]byte
	Sizes      []int64
	Inclusions []proven
	Growths    []proven
	Paths      []string
}

type proven struct {
	N, Size int64
	Proof   [][]byte
}

type opened struct {
	Text   string
	Signed []string
	Error  string
}

type tile struct {
	Path string
	Hash string
}

type answered struct {
	Notes      []opened
	Signed     [][]byte
	Keys       []string
	Names      []bool
	Roots      [][]byte
	Tiles      [][]tile
	Inclusions [][][]byte
	Growths    [][][]byte
	Refused    []string
	Paths      []string
}

// cosigner is a key of type 4.
type cosigner struct {
	name    string
	public  ed25519.PublicKey
	private ed25519.PrivateKey
	time    uint64
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(c.name+"\n\x04"), c.public...))
	return binary.BigEndian.Uint32(sum[:])
}

func (c cosigner) message(text []byte, time uint64) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
}

func (c cosigner) Sign(text []byte) ([]byte, error) {
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], c.time)
	return append(stamp[:], ed25519.Sign(c.private, c.message(text, c.time))...), nil
}

func (c cosigner) Verify(text, signature []byte) bool {
	return len(signature) == 72 &&
		ed25519.Verify(c.public, c.message(text, binary.BigEndian.Uint64(signature)), signature[8:])
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func open(data []byte, keys []string, witness string, witnessKey []byte) opened {
	var known []note.Verifier
	for _, key := range keys {
		verifier, err := note.NewVerifier(key)
		must(err)
		known = append(known, verifier)
	}
	if witness != "" {
		known = append(known, cosigner{name: witness, public: witnessKey})
	}
	found, err := note.Open(data, note.VerifierList(known...))
	if err != nil {
		return opened{Error: err.Error()}
	}
	result := opened{Text: found.Text}
	for _, signature := range found.Sigs {
		result.Signed = append(result.Signed, signature.Name)
	}
	return result
}

func signer(name string, seed []byte) (note.Signer, string) {
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	verifier, err := note.NewEd25519VerifierKey(name, public)
	must(err)
	id := strings.Split(verifier, "+")[1]
	private := base64.StdEncoding.EncodeToString(append([]byte{1}, seed...))
	made, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + id + "+" + private)
	must(err)
	return made, verifier
}

func plain(hashes []tlog.Hash) [][]byte {
	result := [][]byte{}
	for i := range hashes {
		result = append(result, hashes[i][:])
	}
	return result
}

func hashed(proof [][]byte) []tlog.Hash {
	result := make([]tlog.Hash, len(proof))
	for i := range proof {
		copy(result[i][:], proof[i])
	}
	return result
}

// ours writes a path of Go's as the specification of tiles does.
func ours(path string) string {
	return strings.Replace(strings.Replace(path, "tile/8/", "tile/", 1), "tile/data/", "tile/entries/", 1)
}

func theirs(path string) string {
	return "tile/8/" + strings.Replace(strings.TrimPrefix(path, "tile/"), "entries/", "data/", 1)
}

func main() {
	var in asked
	var out answered
	must(json.NewDecoder(os.Stdin).Decode(&in))

	for _, n := range in.Notes {
		out.Notes = append(out.Notes, open(n.Note, n.Keys, n.Witness, n.WitnessKey))
	}
	for _, s := range in.Sign {
		made, key := signer(s.Name, s.Seed)
		private := ed25519.NewKeyFromSeed(s.WitnessSeed)
		witness := cosigner{s.Witness, private.Public().(ed25519.PublicKey), private, s.Time}
		data, err := note.Sign(&note.Note{Text: s.Text}, made, witness)
		must(err)
		out.Signed = append(out.Signed, data)
		out.Keys = append(out.Keys, key)
	}
	for _, name := range in.Names {
		_, err := note.NewEd25519VerifierKey(name, make([]byte, 32))
		must(err)
		key := append([]byte{1}, make([]byte, 32)...)
		sum := sha256.Sum256(append([]byte(name+"\n"), key...))
		_, err = note.NewVerifier(fmt.Sprintf("%s+%x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(key)))
		out.Names = append(out.Names, err == nil)
	}

	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		result := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			result[i] = stored[index]
		}
		return result, nil
	})
	for i, leaf := range in.Leaves {
		more, err := tlog.StoredHashes(int64(i), leaf, reader)
		must(err)
		stored = append(stored, more...)
	}
	root := func(size int64) tlog.Hash {
		if size == 0 {
			// Older versions of the package knew no empty tree.
			return tlog.Hash(sha256.Sum256(nil))
		}
		hash, err := tlog.TreeHash(size, reader)
		must(err)
		return hash
	}
	for _, size := range in.Sizes {
		hash := root(size)
		out.Roots = append(out.Roots, hash[:])
		widest := map[[2]int64]tlog.Tile{}
		for _, t := range tlog.NewTiles(8, 0, size) {
			widest[[2]int64{int64(t.L), t.N}] = t
		}
		tiles := []tile{}
		for _, t := range widest {
			data, err := tlog.ReadTileData(t, reader)
			must(err)
			tiles = append(tiles, tile{ours(t.Path()), fmt.Sprintf("%x", sha256.Sum256(data))})
		}
		out.Tiles = append(out.Tiles, tiles)
	}
	for _, p := range in.Inclusions {
		made, err := tlog.ProveRecord(p.Size, p.N, reader)
		must(err)
		out.Inclusions = append(out.Inclusions, plain(made))
		if err := tlog.CheckRecord(hashed(p.Proof), p.Size, root(p.Size), p.N, tlog.RecordHash(in.Leaves[p.N])); err != nil {
			out.Refused = append(out.Refused, fmt.Sprintf("record %d of %d: %v", p.N, p.Size, err))
		}
	}
	for _, p := range in.Growths {
		made, err := tlog.ProveTree(p.Size, p.N, reader)
		must(err)
		out.Growths = append(out.Growths, plain(made))
		if err := tlog.CheckTree(hashed(p.Proof), p.Size, root(p.Size), p.N, root(p.N)); err != nil {
			out.Refused = append(out.Refused, fmt.Sprintf("tree %d of %d: %v", p.N, p.Size, err))
		}
	}
	for _, path := range in.Paths {
		parsed, err := tlog.ParseTilePath(theirs(path))
		if err != nil {
			out.Paths = append(out.Paths, "")
		} else {
			out.Paths = append(out.Paths, ours(parsed.Path()))
		}
	}

	var buffer bytes.Buffer
	must(json.NewEncoder(&buffer).Encode(out))
	_, err := os.Stdout.Write(buffer.Bytes())
	must(err)
}
