import Tensors
import Testing

/// Products of bfloat16 numbers and the operations on bfloat16 tensors, against double precision. The inputs are exact
/// in bfloat16: only outputs and gradients are rounded, to half of 2⁻⁷.
@Suite(.enabled(if: Precision.hasBFloat16)) struct BFloat16ProductTests {
    private static let rounding = 1.0 / 256

    /// Tiles, blocks and their remainders; tokens and inner lengths beyond a block of 1024 or 512.
    static let shapes = [
        (1, 16, 16), (7, 32, 48), (8, 48, 64), (9, 16, 80), (15, 64, 112), (5, 16, 32), (3, 1040, 32), (2, 2064, 48),
        (2, 32, 1040), (523, 16, 32), (60, 800, 16), (11, 16, 784), (33, 96, 112), (1701, 64, 80),
    ]

    /// Inputs and seeds that are exact in bfloat16.
    private func bfloat16Tensor(_ shape: [Int], seed: UInt64, deviation: Float = 1) -> Tensor {
        let tensor = randomTensor(shape, seed: seed, deviation: deviation)
        for i in 0..<tensor.count { tensor.buffer[i] = rounded(tensor.buffer[i]) }
        return tensor
    }

    private func rounded(_ x: Float) -> Float {
        Float(bitPattern: (x.bitPattern &+ 0x7fff &+ ((x.bitPattern >> 16) & 1)) & 0xffff_0000)
    }

    @Test(arguments: shapes) func linear(tokens: Int, inputs: Int, outputs: Int) throws {
        let x = Variable(leaf: bfloat16Tensor([tokens, inputs], seed: 1))
        let weight = Variable(leaf: bfloat16Tensor([outputs, inputs], seed: 2, deviation: 0.3))
        let bias = Variable(leaf: randomTensor([outputs], seed: 3))
        let seed = bfloat16Tensor([tokens, outputs], seed: 4)
        let tape = Tape(precision: .bfloat16)
        let y = tape.linear(x, weight: weight, bias: bias)
        // Neither the sums nor the bias are rounded to bfloat16.
        expectClose(
            y.value.doubles,
            Reference.linear(x.value.doubles, weight.value.doubles, bias.value.doubles, inputs: inputs), 1e-5,
            "the output")
        tape.backward(from: y, seed: seed.copy())
        // The same in single precision, which MatrixProductTests compare with double.
        let singles = [x, weight, bias].map { Variable(leaf: $0.value) }
        let other = Tape()
        other.backward(from: other.linear(singles[0], weight: singles[1], bias: singles[2]), seed: seed.copy())
        for (narrow, single) in zip([x, weight, bias], singles) {
            expectClose(
                try #require(narrow.gradient).doubles, try #require(single.gradient).doubles, 1e-5, "a gradient")
        }
    }

    /// The gradient of a batch without tokens is zero: it overwrites values of an earlier step, or adds nothing.
    @Test(arguments: [false, true]) func noTokens(adds: Bool) throws {
        let places = [[16, 32], [16], [16]].map { Tensor(repeating: 7, shape: $0) }
        let parameters = places.map { Variable(parameter: randomTensor($0.shape, seed: 1), gradient: $0) }
        if adds { for v in parameters { v.add(gradient: Tensor(repeating: 2, shape: v.shape)) } }
        let tape = Tape(precision: .bfloat16)
        let x = Variable(leaf: Tensor(shape: [0, 32]))
        let y = tape.linear(x, weight: parameters[0], bias: parameters[1])
        let z = tape.residualLinear(y, x, weight: parameters[0], bias: parameters[1], scale: parameters[2])
        let end = tape.residualLinear(z, x, weight: parameters[0], bias: parameters[1])
        tape.backward(from: end, seed: Tensor(shape: [0, 16]))
        for place in places { #expect(place.array.allSatisfy { $0 == (adds ? 2 : 0) }) }
    }

    /// A map whose widths are not whole vectors reads bfloat16 inputs and multiplies in single precision.
    @Test func aMapOfOtherWidthsReadsThem() throws {
        func run(_ precision: Precision) throws -> [Tensor] {
            let shapes = [[5, 32], [32], [32], [20, 32], [16, 20], [16, 32], [32, 8]]
            let v = shapes.enumerated().map { Variable(leaf: randomTensor($1, seed: UInt64($0))) }
            let tape = Tape(precision: precision)
            let normed = tape.layerNorm(v[0], weight: v[1], bias: v[2], output: tape.activationType)
            let hidden = tape.linear(tape.linear(normed, weight: v[3], bias: nil), weight: v[4], bias: nil)
            let gated = tape.swiglu(
                tape.linear(
                    tape.linear(hidden, weight: Variable(constant: randomTensor([32, 16], seed: 9)), bias: nil),
                    weight: v[5], bias: nil, output: tape.activationType))
            let y = tape.residualLinear(
                v[0], gated, weight: v[6], bias: Variable(constant: Tensor(repeating: 0, shape: [32])))
            tape.backward(from: y, seed: randomTensor(y.shape, seed: 99))
            return try [y.value] + v.map { try #require($0.gradient) }
        }
        for (place, (narrow, single)) in zip(try run(.bfloat16), try run(.single)).enumerated() {
            let difference = zip(narrow.doubles, single.doubles).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            let error = (difference / dot(single, single)).squareRoot()
            #expect(error < 4 * Self.rounding, "output or gradient \(place) is off by \(error)")
        }
    }

    /// The bits of a row do not depend on the other rows: ranks must train the same model.
    @Test(arguments: [16, 48, 512, 1040]) func rowsDoNotDependOnTheirCompany(outputs: Int) {
        let x = randomTensor([37, 608], seed: 1)
        let weight = Variable(constant: randomTensor([outputs, 608], seed: 2))
        func map(_ x: Tensor) -> Tensor {
            Tape(precision: .bfloat16).linear(Variable(constant: x), weight: weight, bias: nil).value
        }
        let whole = map(x)
        #expect(whole.array != Tape().linear(Variable(constant: x), weight: weight, bias: nil).value.array)
        for rows in [0..<1, 5..<14, 30..<37] { #expect(map(x.rows(rows).copy()).array == whole.rows(rows).array) }
    }

    /// Maps whose widths are not whole vectors multiply in single precision, to the same bits.
    @Test(arguments: [(7, 16), (16, 7), (24, 32)]) func otherWidthsAreOfSinglePrecision(inputs: Int, outputs: Int) {
        let x = Variable(constant: randomTensor([5, inputs], seed: 1))
        let weight = Variable(constant: randomTensor([outputs, inputs], seed: 2))
        let narrow = Tape(precision: .bfloat16).linear(x, weight: weight, bias: nil, output: .bfloat16)
        #expect(narrow.value.array == Tape().linear(x, weight: weight, bias: nil).value.array)
    }

    @Test func singlePrecisionOnRequest() {
        let x = Variable(constant: randomTensor([5, 16], seed: 1))
        let weight = Variable(constant: randomTensor([16, 16], seed: 2))
        let tape = Tape(precision: .bfloat16)
        let y = tape.inSinglePrecision { tape.linear(x, weight: weight, bias: nil) }
        #expect(y.value.array == Tape().linear(x, weight: weight, bias: nil).value.array)
        #expect(tape.precision == .bfloat16)
    }

    /// A chain of all operations that read and write bfloat16 numbers, outputs and gradients against single precision.
    /// Every number on the way is rounded, and the errors are independent: relative to the norm they stay near 2⁻⁸.
    @Test(arguments: [1, 3]) func branches(jetsWithoutContext: Int) throws {
        let counts = [3, 1, 20, 0, 7, 40]
        let offsets = Offsets(counts: counts)
        let context = Offsets(counts: counts.indices.map { $0 == jetsWithoutContext ? 0 : 5 + $0 })
        let width = 32
        let shapes = [
            [offsets.tokens, width], [context.tokens, width], [width], [width], [3 * width, width], [3 * width],
            [width, width], [2 * width, width], [width, width], [width], [width], [4 * width, width],
            [width, 2 * width], [offsets.jets, 3 * width],
        ]
        func run(_ precision: Precision) throws -> [Tensor] {
            let leaves = shapes.enumerated().map {
                Variable(
                    leaf: randomTensor(
                        $1, seed: UInt64($0), deviation: $1.count == 2 && $1[0] > 3 * width ? 1 : 0.3))
            }
            let tape = Tape(precision: precision)
            let v = leaves
            let type = tape.activationType
            func norm(_ x: Variable) -> Variable { tape.layerNorm(x, weight: v[2], bias: v[3], output: type) }
            var x = v[0]
            let qkv = tape.linear(norm(x), weight: v[4], bias: v[5], output: type)
            x = tape.residualLinear(
                x, tape.selfAttention(qkv, offsets: offsets, heads: 2), weight: v[6], bias: v[9], scale: v[10])
            let query = tape.linear(norm(x), weight: v[6], bias: nil, output: type)
            let keys = tape.linear(v[1], weight: v[7], bias: nil, output: type)
            let attended = tape.crossAttention(query, keys, offsets: offsets, contextOffsets: context, heads: 4)
            x = tape.residualLinear(x, attended, weight: v[8], bias: v[9])
            let modulated = tape.modulatedNorm(x, modulations: v[13], shift: 1, offsets: offsets, output: type)
            let hidden = tape.swiglu(tape.linear(modulated, weight: v[11], bias: nil, output: type))
            x = tape.residualLinear(x, hidden, weight: v[12], bias: v[9])
            let y = x.value.copy()
            tape.backward(from: x, seed: randomTensor(x.shape, seed: 99))
            return try [y] + leaves.map { try #require($0.gradient) }
        }
        for (place, (narrow, single)) in zip(try run(.bfloat16), try run(.single)).enumerated() {
            let difference = zip(narrow.doubles, single.doubles).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            let error = (difference / dot(single, single)).squareRoot()
            #expect(error > 0 && error < 4 * Self.rounding, "output or gradient \(place) is off by \(error)")
        }
    }

    /// The gradient of a bfloat16 value that several operations read is the sum of all their shares, rounded once. The
    /// operations are those that overwrite, add, or multiply in single precision.
    @Test func aValueThatManyOperationsRead() throws {
        let offsets = Offsets(counts: [3, 1, 8])
        let shapes = [[12, 32], [96, 32], [32, 32], [16, 48], [20, 96], [96], [96]]
        func run(_ precision: Precision) throws -> [Tensor] {
            let v = shapes.enumerated().map { Variable(leaf: randomTensor($1, seed: UInt64($0), deviation: 0.3)) }
            let tape = Tape(precision: precision)
            let type = tape.activationType
            let x = tape.linear(v[0], weight: v[1], bias: nil, output: type)
            let branches = [
                tape.linear(tape.selfAttention(x, offsets: offsets, heads: 2), weight: v[2], bias: nil),
                tape.linear(tape.selfAttention(x, offsets: offsets, heads: 4), weight: v[2], bias: nil),
                tape.linear(
                    tape.linear(tape.swiglu(tape.leakyReLU(x, slope: 0.1)), weight: v[3], bias: nil, output: type),
                    weight: Variable(constant: randomTensor([32, 16], seed: 9)), bias: nil),
                tape.linear(
                    tape.linear(x, weight: v[4], bias: nil),
                    weight: Variable(constant: randomTensor([32, 20], seed: 10)), bias: nil),
                tape.linear(
                    tape.layerNorm(x, weight: v[5], bias: v[6], output: type),
                    weight: Variable(constant: randomTensor([32, 96], seed: 11, deviation: 0.1)), bias: nil),
            ]
            let y = branches.dropFirst().reduce(branches[0]) { tape.add($0, $1) }
            tape.backward(from: y, seed: randomTensor(y.shape, seed: 99))
            return try [y.value] + v.map { try #require($0.gradient) }
        }
        for (place, (narrow, single)) in zip(try run(.bfloat16), try run(.single)).enumerated() {
            let difference = zip(narrow.doubles, single.doubles).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            let error = (difference / dot(single, single)).squareRoot()
            #expect(error > 0 && error < 4 * Self.rounding, "output or gradient \(place) is off by \(error)")
        }
    }

    @Test func aNumberThatIsNoneStaysOne() {
        let x = randomTensor([3, 16], seed: 1)
        x.buffer[17] = Float(bitPattern: 0x7fff_ffff)
        x.buffer[40] = .infinity
        let weight = Variable(constant: Tensor(repeating: 1, shape: [16, 16]))
        let y = Tape(precision: .bfloat16).linear(Variable(constant: x), weight: weight, bias: nil).value
        #expect(y.rows(0..<1).array.areFinite && y.rows(1..<2).array.areNaN)
        #expect(y.rows(2..<3).array.allSatisfy { $0 == .infinity })
    }
}
