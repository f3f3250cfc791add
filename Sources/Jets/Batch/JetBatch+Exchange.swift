import MPI
import Tensors

extension JetBatch {
    /// The batch of this rank after jets have moved between the ranks, in the order in which the ranks had them.
    /// Collective. Throws `MPIError`.
    ///
    /// - Parameters:
    ///   - destinations: the rank that gets each jet, by the rank that has it; the same on all ranks.
    ///   - constituents: the number of constituents of each of these jets.
    package func exchanged(
        to destinations: [[Int]], constituents: [[Int]], on communicator: Communicator
    ) throws -> JetBatch {
        let own = communicator.rank
        var words: [[Int32]] = Array(repeating: [], count: communicator.size)
        for (jet, rank) in destinations[own].enumerated() where rank != own { words[rank] += self.words(ofJet: jet) }
        let lengths = destinations.indices.map { rank in
            rank == own ? [] : zip(destinations[rank], constituents[rank]).filter { $0.0 == own }.map(\.1)
        }
        let counts = lengths.map { $0.reduce(0) { $0 + wordCount($1) } }
        let received = Message<Int32>(count: counts.reduce(0, +))
        try communicator.startExchange(
            sending: Message(words.flatMap { $0 }), counts: words.map(\.count), receiving: received, counts: counts
        ).wait()

        var reader = WordReader(received)
        return joined(
            lengths.indices.flatMap { rank in
                rank == own
                    ? jets(of: own, among: destinations[own])
                    : lengths[rank].map { jet(constituents: $0, from: &reader) }
            })
    }

    /// The jets whose destination is a rank, each run of neighbours as one batch.
    private func jets(of rank: Int, among destinations: [Int]) -> [JetBatch] {
        var runs: [JetBatch] = []
        var start = 0
        while start < count {
            let end = destinations[start...].firstIndex { $0 != destinations[start] } ?? count
            if destinations[start] == rank { runs.append(slice(jets: start..<end)) }
            start = end
        }
        return runs
    }

    /// The number of words of a jet in a message.
    private func wordCount(_ constituents: Int) -> Int {
        let columns = values.columns + 1 + constituentLabels.count + (momenta == nil ? 0 : 3)
        return 3 + quantities.count + constituents * columns
    }

    private func words(ofJet position: Int) -> [Int32] {
        let (index, tokens) = (UInt64(bitPattern: Int64(jets[position])), offsets[position])
        var words = [Int32(truncatingIfNeeded: index), Int32(truncatingIfNeeded: index >> 32), labels[position]]
        words.reserveCapacity(wordCount(tokens.count))
        func add(_ numbers: some Sequence<Float>) { words += numbers.lazy.map { Int32(bitPattern: $0.bitPattern) } }
        add(quantities.lazy.map { $0[position] })
        add(values.rows(tokens).buffer)
        words += identities[tokens]
        for labels in constituentLabels { words += labels[tokens] }
        if let momenta { for p in momenta[tokens] { add([p.x, p.y, p.z]) } }
        return words
    }

    /// A jet of another rank as a batch; the fields are those of this batch.
    private func jet(constituents: Int, from reader: inout WordReader) -> JetBatch {
        let index = reader.integers(2).map { UInt64(UInt32(bitPattern: $0)) }
        let label = reader.integers(1)
        let quantities = quantities.map { _ in reader.numbers(1) }
        let values = Tensor(shape: [constituents, values.columns])
        values.pointer.update(from: reader.numbers(values.count), count: values.count)
        return JetBatch(
            jets: [Int(Int64(bitPattern: index[1] << 32 | index[0]))], epoch: epoch,
            offsets: Offsets(counts: [constituents]), values: values, identities: reader.integers(constituents),
            labels: label, constituentLabels: constituentLabels.map { _ in reader.integers(constituents) },
            quantities: quantities,
            momenta: momenta.map { _ in
                (0..<constituents).map { _ in
                    let p = reader.numbers(3)
                    return SIMD3(p[0], p[1], p[2])
                }
            })
    }

    /// One batch of several, with the fields of this one.
    private func joined(_ parts: [JetBatch]) -> JetBatch {
        let offsets = Offsets(counts: parts.flatMap { part in part.offsets.counts })
        let values = Tensor(shape: [offsets.tokens, values.columns])
        var next = values.pointer
        for part in parts {
            next.update(from: part.values.pointer, count: part.values.count)
            next += part.values.count
        }
        return JetBatch(
            jets: parts.flatMap(\.jets), epoch: epoch, offsets: offsets, values: values,
            identities: parts.flatMap(\.identities), labels: parts.flatMap(\.labels),
            constituentLabels: constituentLabels.indices.map { index in parts.flatMap { $0.constituentLabels[index] } },
            quantities: quantities.indices.map { index in parts.flatMap { $0.quantities[index] } },
            momenta: momenta.map { _ in parts.flatMap { $0.momenta! } })
    }
}

/// Reads the words of a message one after the other.
private struct WordReader {
    private let message: Message<Int32>
    private var next = 0

    init(_ message: Message<Int32>) { self.message = message }

    mutating func integers(_ count: Int) -> [Int32] {
        defer { next += count }
        return Array(message.elements[next..<next + count])
    }

    mutating func numbers(_ count: Int) -> [Float] {
        integers(count).map { Float(bitPattern: UInt32(bitPattern: $0)) }
    }
}
