import System
import Testing

@Suite struct ProgressLineTests {
    private func drawn(_ text: String, _ fraction: Double?, columns: Int = 60, isUnicode: Bool = false) -> String {
        ProgressLine(text, fraction: fraction).drawn(columns: columns, isUnicode: isUnicode)
    }

    @Test func theBarGrows() {
        #expect(drawn("step 1/4", 0) == "........................   0 %  step 1/4")
        #expect(drawn("step 2/4", 0.5) == "############............  50 %  step 2/4")
        #expect(drawn("step 4/4", 1) == "######################## 100 %  step 4/4")
        #expect(drawn("x", 0.25, isUnicode: true) == "██████░░░░░░░░░░░░░░░░░░  25 %  x")
        // 100 % means all.
        let almost = drawn("x", 0.9999)
        #expect(almost == "#######################.  99 %  x")
    }

    private let parts = ["step 660/1500", "epoch 2.1", "lr 1.0e-03", "loss 2.9871", "3127 jets/s", "54 s left"]

    /// Every line fits: the bar becomes shorter, values are left out, then the bar, and last the text is cut.
    @Test func theLineFits() {
        let line = ProgressLine(parts, optional: [4, 2, 1], fraction: 0.44)
        for columns in 0...130 { #expect(line.drawn(columns: columns, isUnicode: true).count <= columns) }
        #expect(line.drawn(columns: 130, isUnicode: false).hasSuffix("  44 %  " + parts.joined(separator: "  ")))
        // The usual 80 columns, of which the last stays empty, have a bar with all values but the speed.
        #expect(
            line.drawn(columns: 79, isUnicode: false)
                == "####.......  44 %  step 660/1500  epoch 2.1  lr 1.0e-03  loss 2.9871  54 s left"
        )
        #expect(line.drawn(columns: 55, isUnicode: false) == "####......  44 %  step 660/1500  loss 2.9871  54 s left")
        #expect(line.drawn(columns: 45, isUnicode: false) == "44 %  step 660/1500  loss 2.9871  54 s left")
        #expect(line.drawn(columns: 10, isUnicode: false) == "44 %  step")
    }

    @Test func oddFractions() {
        #expect(drawn("x", -1).hasPrefix(".") && drawn("x", 7).contains("100 %") && drawn("x", .nan).contains("  0 %"))
        #expect(drawn("without a bar", nil) == "without a bar" && drawn("without a bar", nil, columns: 7) == "without")
    }
}
