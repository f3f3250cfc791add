import Jets
import Models
import System
import Tensors

extension NextTokenTraining: JetGenerator {
    package var drawsTokens: Bool { true }

    /// Draws tokens until the end of each jet or `data.max_constituents`, and decodes them. The identity of a
    /// constituent is drawn from those that its token has in the data.
    package func generate(
        _ jets: Range<Int>, labels: [Int32]? = nil, constituents: Int?, seed: UInt64, _ options: SamplingOptions
    ) throws -> Constituents {
        let tokens = draw(jets, constituents: constituents, seed: seed, options)
        let offsets = Offsets(counts: tokens.map(\.count))
        let all = tokens.flatMap { $0 }
        var identities: [Int32] = []
        identities.reserveCapacity(all.count)
        for (jet, tokens) in zip(jets, tokens) {
            for (place, token) in tokens.enumerated() {
                var random = RandomSequence(
                    RandomKey(seed: seed, stream: .sampling, jet: jet, constituent: place), block: 1)
                identities.append(identity(of: token, from: &random))
            }
        }
        return Constituents(
            values: tokenizer.features(of: all, offsets: offsets), identities: identities, offsets: offsets)
    }

    /// The tokens of each jet.
    package func draw(
        _ jets: Range<Int>, constituents: Int?, seed: UInt64, _ options: SamplingOptions
    ) -> [[Int32]] {
        let tape = Tape(recording: false)
        let sequences = CausalSequences(model.backbone, jets: jets.count, on: tape)
        var tokens = [[Int32]](repeating: [], count: jets.count)
        var open = Array(tokens.indices)
        let limit = constituents ?? maxConstituents
        for place in 0..<limit {
            let logits = model.logits(sequences.output, on: tape).value
            if constituents != nil {
                for row in open.indices { logits.pointer[row * logits.columns + Int(stop)] = -.infinity }
            }
            let randoms = open.map { jet in
                RandomSequence(
                    RandomKey(seed: seed, stream: .sampling, jet: jets.lowerBound + jet, constituent: place))
            }
            let drawn = logits.classes(randoms, options)
            let rows = open.indices.filter { drawn[$0] != stop }
            for row in rows { tokens[open[row]].append(drawn[row]) }
            if rows.isEmpty || place + 1 == limit { break }
            if rows.count < open.count {
                sequences.keep(rows)
                open = rows.map { open[$0] }
            }
            sequences.append(
                Constituents(
                    values: tokenizer.vectors(of: rows.map { drawn[$0] }),
                    identities: [Int32](repeating: 0, count: rows.count),
                    offsets: Offsets(counts: [Int](repeating: 1, count: rows.count))))
        }
        return tokens
    }

    private func identity(of token: Int32, from random: inout RandomSequence) -> Int32 {
        let classes = identityCount
        let own = identities[Int(token) * classes..<(Int(token) + 1) * classes]
        if let identity = random.bin(of: own) { return Int32(identity) }
        // No constituent of the counted jets has this token: the identities of all.
        let all = (0..<classes).map { identity in
            stride(from: identity, to: identities.count, by: classes).reduce(0) { $0 + identities[$1] }
        }
        guard let identity = random.bin(of: all[...]) else { unreachable("jets are generated before the fit") }
        return Int32(identity)
    }
}
