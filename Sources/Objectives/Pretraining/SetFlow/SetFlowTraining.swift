import Jets
import MPI
import Models
import NN
import System
import Tensors

/// Set-to-set flow matching (Leigh et al., arXiv:2409.12589): a random part of every jet is dropped, and a decoder
/// learns to generate its features and identities from noise, given the encoded survivors.
///
/// The loss is the squared error of the velocity, averaged over constituents and channels. With `model.classes` the
/// decoder is given the class of each jet.
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
    /// The classes that the decoder is given; nil if it is given none.
    private let classes: JetClasses?
    private let chosenClass: String?
    /// Number of jets of the data with 0, 1, 2 … constituents; with classes those of each class, one after the other.
    private var multiplicities: [Int]
    private let bins: Int

    /// First block of the noise in the random sequence of a constituent.
    private static let noiseBlock = 0
    /// Block of the time of a jet in the random sequence of its first constituent, after the noise.
    private static let timeBlock = 64
    /// Block of the number of constituents of a generated jet.
    private static let multiplicityBlock = 65
    /// Block of the class of a generated jet.
    private static let classBlock = 66

    package init(_ options: SetFlowOptions, _ jets: JetShape, seed: UInt64) {
        let builder = ParameterBuilder()
        classes = options.usesClasses ? jets.classes : nil
        invariant(options.usesClasses == (classes != nil), "a model with classes of data without classes")
        chosenClass = options.generatedClass
        model = SetFlowModel(
            options.shape(jets, classes: classes?.count ?? 0), in: builder.root)
        parameters = builder.build(seed: seed)
        masking = options.masking.masking
        (fitJets, features) = (options.fitJets, jets.features)
        bins = jets.maxConstituents + 1
        multiplicities = [Int](repeating: 0, count: bins * (classes?.count ?? 1))
        self.seed = seed
    }

    package var needsMomenta: Bool { masking.needsMomenta || model.backbone.needsMomenta }
    package var generator: (any JetGenerator)? { self }
    package var reconstructor: (any Reconstructor)? { self }
    package var usedClasses: JetClasses? { classes }
    package var generatedClasses: JetClasses? { classes }

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
        let labels = labels(of: jets)
        return MicroBatch(counts: [Double(noise.count)]) { [model] scales, tape in
            [
                model.loss(
                    jets.constituents, noise: noise, times: times, labels: labels, scale: scales[0], on: tape)
            ]
        }
    }

    private func labels(of jets: MaskedJets) -> [Int32] { classes == nil ? [] : jets.batch.labels }

    /// Fits the distribution of the number of constituents, from which generated jets draw theirs.
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        let (bins, hasClasses) = (bins, classes != nil)
        multiplicities = try jets.histogram(bins: multiplicities.count, ofFirst: fitJets, on: communicator) { batch in
            (0..<batch.count).map {
                batch.offsets[$0].count + (hasClasses ? bins * Int(batch.labels[$0]) : 0)
            }
        }
    }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        state.integers[multiplicitiesName] = multiplicities
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        multiplicities = try state.integers(multiplicitiesName, count: multiplicities.count)
    }

    private var multiplicitiesName: String { classes == nil ? "multiplicities" : "class_multiplicities" }

    package func reconstruct(_ jets: MaskedJets, _ options: SamplingOptions) throws -> [Reconstruction] {
        let found = try model.generate(
            given: jets.survivors,
            from: .normal(columns: model.channels, from: jets.randomSequences(.sampling, fromBlock: Self.noiseBlock)),
            offsets: jets.dropped.offsets, labels: labels(of: jets), solver: options.solver)
        return [Reconstruction(values: found.values, identities: found.identities)]
    }

    package func labels(ofGenerated jets: Range<Int>, seed: UInt64) throws -> [Int32]? {
        guard let classes else { return nil }
        let counts = (0..<classes.count).map { multiplicities[$0 * bins..<($0 + 1) * bins].reduce(0, +) }
        guard let chosenClass else {
            return jets.map { jet in
                Int32(draw(from: counts[...], jet: jet, seed: seed, block: Self.classBlock))
            }
        }
        guard let label = classes.names.firstIndex(of: chosenClass) else {
            throw ObjectiveError(
                "generate.class: the model has no class '\(chosenClass)'; it has "
                    + classes.names.joined(separator: ", "))
        }
        guard counts[label] > 0 else {
            throw ObjectiveError(
                "generate.class: the model was trained without jets of the class \(chosenClass); choose another one")
        }
        return jets.map { _ in Int32(label) }
    }

    package func generate(
        _ jets: Range<Int>, labels: [Int32]? = nil, constituents: Int?, seed: UInt64, _ options: SamplingOptions
    ) throws -> Constituents {
        let labels = try labels ?? self.labels(ofGenerated: jets, seed: seed) ?? []
        let counts = jets.enumerated().map { position, jet in
            constituents ?? multiplicity(ofJet: jet, label: labels.isEmpty ? 0 : Int(labels[position]), seed: seed)
        }
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
            labels: labels, solver: options.solver)
    }

    /// Draws a number of constituents from its distribution in the data.
    private func multiplicity(ofJet jet: Int, label: Int, seed: UInt64) -> Int {
        draw(
            from: multiplicities[label * bins..<(label + 1) * bins], jet: jet, seed: seed,
            block: Self.multiplicityBlock)
    }

    /// Draws a bin of a histogram.
    private func draw(from counts: ArraySlice<Int>, jet: Int, seed: UInt64, block: Int) -> Int {
        var random = RandomSequence(RandomKey(seed: seed, stream: .sampling, jet: jet), block: block)
        guard let bin = random.bin(of: counts) else { unreachable("jets are generated before the fit") }
        return bin
    }
}
