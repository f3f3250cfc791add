import MPI
import Synchronization
import System
import Tensors

/// Assembles the batches of a rank: order, reading, packing, preprocessing.
///
/// The part of a rank may be empty. It depends on the arguments only: any step of any epoch can be loaded at any time,
/// from any thread.
///
///     let loader = JetLoader(dataset: train, preprocessing: fitted, order: .init(batchSize: 1024, seed: 1))
///     let batch = try loader.batch(epoch: 0, step: 0)
package final class JetLoader: Sendable {
    /// The epoch and the step of a batch.
    package struct Request: Hashable, Sendable, CustomStringConvertible {
        package let epoch: Int
        package let step: Int

        package init(epoch: Int, step: Int) {
            self.epoch = epoch
            self.step = step
        }

        package var description: String { "step \(step) of epoch \(epoch)" }
    }

    /// The contents of batches that depend on the objective.
    package struct Contents: Sendable {
        /// True if batches contain `momenta`.
        package var momenta = false
        /// The epoch of the random numbers of the preprocessing; nil for the epoch of the batch.
        package var noiseEpoch: Int?
        /// The class of each label (`JetClasses.indices`); nil for labels as stored.
        package var classOfLabel: [Int32]?

        package init(momenta: Bool = false, noiseEpoch: Int? = nil, classOfLabel: [Int32]? = nil) {
            self.momenta = momenta
            self.noiseEpoch = noiseEpoch
            self.classOfLabel = classOfLabel
        }
    }

    /// The jets of a global batch that a rank reads.
    package enum Portion: Sendable {
        /// Its `Communicator.share` of the batch, in the order of storage.
        case share
        /// The jets that lie in its blocks: each block is read by one rank, in turn. Their number varies, and
        /// `JetBatch.exchanged` gives some of them to other ranks. The same as `share` without shuffling, and if all
        /// blocks are in one window.
        ///
        /// With shares, hundreds of ranks would read each block dozens of times, because the jets of a batch come from
        /// random places of a window, and their shares wander from step to step.
        case blocks
    }

    package let dataset: JetDataset
    package let preprocessing: any Preprocessing
    /// The jets of each batch.
    package let order: JetOrder
    /// The number of global batches in an epoch.
    package var stepsPerEpoch: Int { order.stepsPerEpoch }
    /// The number of ranks that share each global batch.
    package let size: Int
    private let rank: Int
    private let portion: Portion
    private let contents: Contents
    private let cache: Mutex<LeastRecentlyUsed<JetBlock>>
    /// Size up to which blocks are cached even outside the current window [bytes]: small datasets are read once.
    package static let cacheBytes = 64 << 20

    /// A loader of this rank's parts of global batches.
    ///
    /// Without shuffling, the jets come in the order of the files, and a batch depends on the epoch only through the
    /// random numbers of the preprocessing; validation always uses one epoch.
    ///
    /// - Parameters:
    ///   - rank: number of the part; by default the rank in the communicator of the dataset.
    ///   - size: number of parts of a global batch; by default the size of that communicator.
    package init(
        dataset: JetDataset, preprocessing: any Preprocessing, order: JetOrder.Options, portion: Portion = .share,
        contents: Contents = .init(), rank: Int? = nil, size: Int? = nil
    ) {
        self.dataset = dataset
        self.preprocessing = preprocessing
        self.order = JetOrder(dataset.numbering, order)
        let hasWindows = order.shuffle && dataset.numbering.blockCount > order.windowBlocks
        (self.portion, self.contents) = (hasWindows ? portion : .share, contents)
        self.rank = rank ?? dataset.communicator.rank
        self.size = size ?? dataset.communicator.size
        invariant(self.rank >= 0 && self.rank < self.size, "rank \(self.rank) of \(self.size)")
        let minimum = Self.cachedBlocks(order, self.portion, ranks: self.size)
        cache = Mutex(LeastRecentlyUsed(minimum: minimum, budget: Self.cacheBytes) { $0.bytes })
    }

    /// The number of blocks that are kept even if they exceed `cacheBytes`: those of a rank in a window, and a few more
    /// for batches that cross into the next one.
    ///
    /// The first jet of a share is the quantile of random jets; its block varies with a standard deviation of at most
    /// window / (2 √batch).
    package static func cachedBlocks(_ order: JetOrder.Options, _ portion: Portion, ranks: Int) -> Int {
        guard order.shuffle else { return 4 }
        let window = Double(order.windowBlocks)
        let deviation = portion == .share ? 3 * window / Double(order.batchSize).squareRoot() : 0
        return min(order.windowBlocks, Int((window / Double(ranks) + deviation).rounded(.up))) + 4
    }

    /// This rank's part of batch `step` (below `stepsPerEpoch`) of an epoch.
    ///
    /// Throws `HDF5Error` or `JetError` that name the file and the row.
    package func batch(epoch: Int, step: Int) throws -> JetBatch {
        if portion == .blocks {
            return try batch(jets: order.jets(epoch: epoch, step: step) { $0 % size == rank }, epoch: epoch)
        }
        let jets = order.jets(epoch: epoch, step: step)
        return try batch(
            jets: Array(jets[Communicator.share(of: jets.count, rank: rank, size: size)]), epoch: epoch)
    }

    /// The jets with the given global indices; fastest in the order of storage. Throws as `batch(epoch:step:)`.
    package func batch(jets: [Int], epoch: Int) throws -> JetBatch {
        let parts = try parts(of: jets)
        let offsets = Offsets(counts: parts.flatMap { part in part.rows.map { part.block.offsets[$0].count } })
        let labels = parts.flatMap { part in part.rows.map { part.block.labels[$0] } }
        let tokens = offsets.tokens
        let values = Tensor(shape: [tokens, preprocessing.features.count])
        let identities = [Int32](unsafeUninitializedCapacity: tokens) { identities, initialized in
            var token = 0
            for part in parts {
                fill(part, epoch: contents.noiseEpoch ?? epoch, values.pointer, identities, token: &token)
            }
            initialized = tokens
        }
        return JetBatch(
            jets: jets, epoch: epoch, offsets: offsets, values: values, identities: identities,
            labels: contents.classOfLabel.map { classes in labels.map { classes[Int($0)] } } ?? labels,
            constituentLabels: constituentLabels(of: parts, tokens: tokens),
            quantities: dataset.reading.quantities.indices.map { index in
                parts.flatMap { part in part.rows.map { part.block.quantities[index][$0] } }
            },
            momenta: contents.momenta ? momenta(of: parts, tokens: tokens) : nil)
    }

    private func constituentLabels(of parts: [Part], tokens: Int) -> [[Int32]] {
        dataset.reading.constituentLabels.indices.map { index in
            var labels: [Int32] = []
            labels.reserveCapacity(tokens)
            for part in parts {
                for row in part.rows { labels += part.block.constituentLabels[index][part.block.offsets[row]] }
            }
            return labels
        }
    }

    private func momenta(of parts: [Part], tokens: Int) -> [SIMD3<Float>] {
        var momenta: [SIMD3<Float>] = []
        momenta.reserveCapacity(tokens)
        for part in parts {
            let (values, width) = (part.block.values, part.block.width)
            for row in part.rows {
                for token in part.block.offsets[row] {
                    momenta.append(
                        SIMD3(values[token * width], values[token * width + 1], values[token * width + 2]))
                }
            }
        }
        return momenta
    }

    /// Consecutive jets of a batch that lie in one block.
    private struct Part {
        let block: JetBlock
        let jets: ArraySlice<Int>
        let rows: [Int]
    }

    private func parts(of jets: [Int]) throws -> [Part] {
        try cache.withLock { cache in
            var parts: [Part] = []
            var start = 0
            while start < jets.count {
                let number = dataset.layout.block(ofJet: jets[start])
                let range = dataset.layout.jets(ofBlock: number)
                let end = jets[start...].firstIndex { !range.contains($0) } ?? jets.count
                let block = try cache.value(number) { try dataset.read(block: number) }
                let rows = jets[start..<end].map { dataset.numbering.row(ofJet: $0, inBlock: number) }
                parts.append(Part(block: block, jets: jets[start..<end], rows: rows))
                start = end
            }
            return parts
        }
    }

    private func fill(
        _ part: Part, epoch: Int, _ values: UnsafeMutablePointer<Float>,
        _ identities: UnsafeMutableBufferPointer<Int32>, token: inout Int
    ) {
        let (stored, width) = (part.block.width, preprocessing.features.count)
        invariant(
            stored == preprocessing.features.storedCount,
            "a preprocessing of \(preprocessing.features.storedNames) for blocks of \(part.block.features.storedNames)")
        part.block.values.withUnsafeBufferPointer { blockValues in
            part.block.identities.withUnsafeBufferPointer { blockIdentities in
                guard let from = blockValues.baseAddress, let kinds = blockIdentities.baseAddress else { return }
                for (jet, row) in zip(part.jets, part.rows) {
                    let tokens = part.block.offsets[row]
                    let first = tokens.lowerBound
                    preprocessing.apply(
                        to: from + first * stored, identities: kinds + first, count: tokens.count, jet: jet,
                        epoch: epoch, seed: order.seed, into: values + token * width)
                    for index in tokens {
                        identities[token] = Int32(kinds[index])
                        token += 1
                    }
                }
            }
        }
    }

    /// A prefetcher of this rank's batches; it reads ahead on a thread if MPI permits reading from one.
    package func prefetcher() -> Prefetcher<Request, JetBatch> {
        let isThreaded = dataset.communicator.size == 1 || MPIEnvironment.threadLevel == .multiple
        return Prefetcher(rank: size > 1 ? rank : nil, isThreaded: isThreaded) { [self] in
            try batch(epoch: $0.epoch, step: $0.step)
        }
    }
}
