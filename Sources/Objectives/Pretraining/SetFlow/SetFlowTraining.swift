import Jets
import MPI
import Models
import NN
import System
import Tensors

/// Set-to-set flow matching (Leigh et al., arXiv:2409.12589): a random part of every jet is dropped, and a decoder
/// learns to generate its features and identities from noise, given the encoded survivors.
///
/// The loss is the squared error of the velocity, averaged over constituents and channels.
package final class SetFlowTraining: Objective, JetGenerator, Reconstructor {
    package let parameters: ParameterStore
    package let terms = [LossTerm(name: "set_flow", weight: 1)]
    package let reconstructions = ["set_flow"]
    package let drawsTokens = false
    /// The network.
    package let model: SetFlowModel
    private let masking: any Masking
    private let fitJets: Int
    /// Number of continuous features.
    private let features: Int
    private let seed: UInt64
    /// Number of jets of the data with 0, 1, 2 … constituents.
    private var multiplicities: [Int]

    /// First block of the noise in the random sequence of a constituent.
    private static let noiseBlock = 0
    /// Block of the time of a jet in the random sequence of its first constituent, after the noise.
    private static let timeBlock = 64
    /// Block of the number of constituents of a generated jet.
    private static let multiplicityBlock = 65

    package init(_ options: SetFlowOptions, _ jets: JetShape, seed: UInt64) {
        let builder = ParameterBuilder()
        model = SetFlowModel(options.shape(jets), in: builder.root)
        parameters = builder.build(seed: seed)
        masking = options.masking.masking
        (fitJets, features) = (options.fitJets, jets.features)
        multiplicities = [Int](repeating: 0, count: jets.maxConstituents + 1)
        self.seed = seed
    }

    package var needsMomenta: Bool { masking.needsMomenta || model.backbone.needsMomenta }
    package var generator: (any JetGenerator)? { self }
    package var reconstructor: (any Reconstructor)? { self }

    package func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch {
        let mask = masking.dropped(in: batch, seed: seed, stream: phase.maskingStream)
        return prepare(MaskedJets(batch, mask: mask, phase: phase, seed: seed))
    }

    private func prepare(_ jets: MaskedJets) -> MicroBatch {
        let stream = jets.phase.flowStream
        let times = jets.batch.jets.map { jet in
            var random = RandomSequence(
                RandomKey(seed: seed, stream: stream, epoch: jets.batch.epoch, jet: jet), block: Self.timeBlock)
            return FlowMatchingPath.time(from: &random)
        }
        let noise = Tensor.normal(
            columns: model.channels, from: jets.randomSequences(stream, fromBlock: Self.noiseBlock))
        return MicroBatch(counts: [Double(noise.count)]) { [model] scales, tape in
            [model.loss(jets.constituents, noise: noise, times: times, scale: scales[0], on: tape)]
        }
    }

    /// Fits the distribution of the number of constituents, from which generated jets draw theirs.
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        multiplicities = try jets.histogram(bins: multiplicities.count, ofFirst: fitJets, on: communicator) { batch in
            (0..<batch.count).map { batch.offsets[$0].count }
        }
    }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        state.integers["multiplicities"] = multiplicities
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        multiplicities = try state.integers("multiplicities", count: multiplicities.count)
    }

    package func reconstruct(_ jets: MaskedJets, _ options: SamplingOptions) throws -> [Reconstruction] {
        let found = try model.generate(
            given: jets.survivors,
            from: .normal(columns: model.channels, from: jets.randomSequences(.sampling, fromBlock: Self.noiseBlock)),
            offsets: jets.dropped.offsets, solver: options.solver)
        return [Reconstruction(values: found.values, identities: found.identities)]
    }

    package func generate(
        _ jets: Range<Int>, constituents: Int?, seed: UInt64, _ options: SamplingOptions
    ) throws -> Constituents {
        let counts = jets.map { constituents ?? multiplicity(ofJet: $0, seed: seed) }
        let randoms = zip(jets, counts).flatMap { jet, count in
            (0..<count).map {
                RandomSequence(RandomKey(seed: seed, stream: .sampling, jet: jet, constituent: $0))
            }
        }
        let nothing = Constituents(
            values: Tensor(shape: [0, features]), identities: [],
            offsets: Offsets(counts: counts.map { _ in 0 }), momenta: Tensor(shape: [0, 4]))
        return try model.generate(
            given: nothing, from: .normal(columns: model.channels, from: randoms), offsets: Offsets(counts: counts),
            solver: options.solver)
    }

    /// Draws a number of constituents from its distribution in the data.
    private func multiplicity(ofJet jet: Int, seed: UInt64) -> Int {
        var random = RandomSequence(
            RandomKey(seed: seed, stream: .sampling, jet: jet), block: Self.multiplicityBlock)
        var left = random.below(max(1, multiplicities.reduce(0, +)))
        for (count, jets) in multiplicities.enumerated() {
            left -= jets
            if left < 0 { return count }
        }
        unreachable("jets are generated before the fit")
    }
}
